"""The readers-writer lock: readers share it, and a waiting writer is not starved."""

import threading

from dynamic_providers.admin.read_write_lock import ReadWriteLock


def test_waiting_writer_comes_before_later_readers():
    lock, order = ReadWriteLock(), []
    inside, leave = threading.Event(), threading.Event()

    def first():
        with lock.shared():
            inside.set()
            leave.wait(5)
            order.append("first")

    def exclusive():
        with lock.exclusive():
            order.append("exclusive")

    def later():
        with lock.shared():
            order.append("later")

    threads = [threading.Thread(target=first)]
    threads[0].start()
    inside.wait(5)
    threads.append(threading.Thread(target=exclusive))
    threads[1].start()
    while not lock._gate.locked():
        pass
    threads.append(threading.Thread(target=later))
    threads[2].start()
    threads[2].join(0.2)
    assert order == []
    leave.set()
    for thread in threads:
        thread.join(5)

    assert order == ["first", "exclusive", "later"]


def test_readers_share_the_lock():
    lock, both = ReadWriteLock(), threading.Barrier(2, timeout=5)

    def work():
        with lock.shared():
            both.wait()

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(5)

    assert not both.broken

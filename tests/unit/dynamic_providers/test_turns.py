"""Who works together and who alone; nobody waits for ever."""

import threading

from dynamic_providers.admin.read_write_lock import ReadWriteLock


def test_one_who_waits_to_be_alone_comes_before_later_ones():
    lock, order = ReadWriteLock(), []
    inside, leave = threading.Event(), threading.Event()

    def first():
        with lock.together():
            inside.set()
            leave.wait(5)
            order.append("first")

    def alone():
        with lock.alone():
            order.append("alone")

    def later():
        with lock.together():
            order.append("later")

    threads = [threading.Thread(target=first)]
    threads[0].start()
    inside.wait(5)
    threads.append(threading.Thread(target=alone))
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

    assert order == ["first", "alone", "later"]


def test_many_work_together():
    lock, both = ReadWriteLock(), threading.Barrier(2, timeout=5)

    def work():
        with lock.together():
            both.wait()

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(5)

    assert not both.broken

"""A configuration that the models accept starts that version of Headscale; its example keeps its meaning."""

import contextlib
import itertools
import json
import re
import socket
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from headscale_component.manifests.config_yaml import config_tree, to_yaml
from headscale_component.spec import HeadscaleArgs, SpecError
from headscale_component.versions import minor_version
from tests.integration.conftest import REPOSITORY, RunningHeadscale, free_port

EXAMPLES = {"0.26": "v0.26.1", "0.27": "v0.27.1", "0.28": "v0.28.0", "0.29": "v0.29.3"}
AT_ONCE = 6
"""Headscales that start side by side; most of a start is waiting."""


def plain(tree):
    """Return a tree with lists for tuples, as YAML has them."""
    return yaml.safe_load(to_yaml(tree))


def source(version):
    """Return the folder of the pinned module of a version, downloaded unless it is cached."""
    command = ["go", "mod", "download", "-json", f"github.com/juanfont/headscale@{EXAMPLES[version]}"]
    folder = REPOSITORY / "lab" / "tools" / f"headscale-{version}"
    return Path(json.loads(subprocess.run(command, cwd=folder, capture_output=True, check=True).stdout)["Dir"])


@pytest.mark.parametrize("version", EXAMPLES)
def test_example_configuration_names_the_line_to_change(version):
    written = yaml.safe_load((source(version) / "config-example.yaml").read_text())

    with pytest.raises(SpecError) as caught:
        HeadscaleArgs.model_validate({"version": EXAMPLES[version], "config": written})

    assert [problem.path for problem in caught.value.problems] == [("config", "listen_addr")]
    assert "write `0.0.0.0:8080`" in str(caught.value)


@pytest.mark.parametrize("version", EXAMPLES)
def test_example_configuration_is_accepted_with_same_meaning(version):
    written = yaml.safe_load((source(version) / "config-example.yaml").read_text())
    written["listen_addr"] = "0.0.0.0:8080"  # The example's is the pod's loopback, where no probe comes.

    rendered = plain(config_tree(HeadscaleArgs.model_validate({"version": EXAMPLES[version], "config": written})))

    if "node" in written:
        written["node"]["expiry"] = "0"  # The bare 0 of the example means the text.
    assert rendered == written


FROM_SECRETS = ("client_id", "client_secret"), ("host", "port", "name", "user", "pass")


@pytest.mark.parametrize("version", EXAMPLES)
def test_values_of_secrets_are_read_from_variables(version):
    """Viper looks for variables where a key is read by itself, and not where a section is read as a whole."""
    text = (source(version) / "hscontrol" / "types" / "config.go").read_text()
    login, database = FROM_SECRETS

    assert 'viper.SetEnvPrefix(envPrefix)\n\tviper.SetEnvKeyReplacer(strings.NewReplacer(".", "_"))' in text
    assert "viper.AutomaticEnv()" in text
    for key in (*(f"oidc.{name}" for name in login), *(f"database.postgres.{name}" for name in database)):
        assert re.search(rf'viper\.Get(String|Int)\("{key}"\)', text), key


durations = st.sampled_from(["66s", "2m", "1h30m", "36h", "1.5h", "90000ms"])
flags = st.booleans()
words = st.text("abcdefghijklmnopqrstuvwxyz0123456789", min_size=1, max_size=12)
domains = st.builds("{}.{}.example".format, words, words)
addresses = st.ip_addresses().map(str)
counts = st.integers(1, 5000)


def section(**keys):
    return st.fixed_dictionaries({}, optional=keys)


@st.composite
def dns(draw):
    some = st.lists(addresses, min_size=1, max_size=3)
    nameservers = draw(section(**{"global": some, "split": st.dictionaries(domains, some, max_size=2)}))
    value = draw(section(search_domains=st.lists(domains, max_size=2), nameservers=st.just(nameservers)))
    if draw(flags):
        value |= {"base_domain": draw(domains), "magic_dns": draw(flags)}
    if nameservers.get("global") and "nameservers" in value:
        value |= draw(section(override_local_dns=flags))
    if draw(flags):
        v4 = st.builds(lambda name, ip: {"name": name, "type": "A", "value": str(ip)}, domains, st.ip_addresses(v=4))
        value["extra_records"] = draw(st.lists(v4, max_size=2))
    return value


@st.composite
def derp(draw):
    server = draw(
        section(
            region_id=st.integers(900, 999),
            region_code=words,
            region_name=words,
            verify_clients=flags,
            ipv4=st.ip_addresses(v=4).map(str),
            ipv6=st.ip_addresses(v=6).map(str),
        )
    )
    return {"urls": [], "server": {**server, "enabled": True}} | draw(
        section(auto_update_enabled=flags, update_frequency=durations)
    )


@st.composite
def prefixes(draw):
    value = draw(section(allocation=st.sampled_from(["sequential", "random"])))
    return value | draw(
        st.sampled_from([{}, {"v4": "100.64.8.0/22"}, {"v6": None}, {"v4": None}, {"v6": "fd7a:115c:a1e0:9::/64"}])
    )


@st.composite
def oidc(draw):
    value = {
        "issuer": "http://127.0.0.1:9",
        "client_id": draw(words),
        "client_secret_path": "/var/lib/headscale/secret",
        "only_start_if_oidc_is_available": False,
    }
    return value | draw(
        section(
            scope=st.just(["openid", "email"]),
            use_expiry_from_token=flags,
            extra_params=st.dictionaries(words, words, max_size=2),
            allowed_domains=st.lists(domains, max_size=2),
            allowed_users=st.lists(st.builds("{}@{}".format, words, domains), max_size=2),
            allowed_groups=st.lists(words, max_size=2),
            pkce=section(enabled=flags, method=st.sampled_from(["S256", "plain"])),
        )
    )


@st.composite
def configurations(draw, minor):
    """Draw a configuration that a user might write for a version."""
    keys = {
        "grpc_allow_insecure": flags,
        "database": section(
            debug=flags,
            gorm=section(
                prepare_stmt=flags, parameterized_queries=flags, skip_err_record_not_found=flags, slow_threshold=counts
            ),
            sqlite=section(wal_autocheckpoint=st.integers(-1, 5000)),
        ),
        "dns": dns(),
        "prefixes": prefixes(),
        "log": section(
            level=st.sampled_from(["trace", "debug", "info", "warn", "error"]), format=st.sampled_from(["text", "json"])
        ),
        "policy": st.just({"mode": "database"}) | st.just({"mode": "file"}),
        "oidc": oidc(),
        "ephemeral_node_inactivity_timeout": durations,
        "logtail": st.fixed_dictionaries({"enabled": flags}),
        "unix_socket_permission": st.sampled_from(["0770", "700", "0777"]),
        "tuning": section(
            notifier_send_timeout=durations,
            batch_change_delay=durations,
            node_mapsession_buffered_chan_size=counts,
            batcher_workers=st.integers(1, 8),
            register_cache_expiration=durations,
            **({"node_store_batch_size": counts, "node_store_batch_timeout": durations} if minor >= (0, 28) else {}),
            **({"register_cache_max_entries": counts} if minor >= (0, 29) else {"register_cache_cleanup": durations}),
        ),
    }
    if minor >= (0, 28):
        keys |= {
            "taildrop": st.fixed_dictionaries({"enabled": flags}),
            "metrics_listen_addr": st.just("") | st.just(":9090"),
        }
    if minor >= (0, 29):
        ha = st.just({"probe_interval": "0s"}) | st.just({"probe_interval": "20s", "probe_timeout": "3s"})
        keys |= {
            "trusted_proxies": st.lists(st.sampled_from(["10.0.0.0/8", "192.0.2.1/32", "fd00::/8"]), max_size=2),
            "auto_update": st.fixed_dictionaries({"enabled": flags}),
            "node": section(
                expiry=st.sampled_from(["0", "180d", "1y", "2w3d"]), routes=st.fixed_dictionaries({"ha": ha})
            ),
        }
    else:
        keys |= {"randomize_client_port": flags}
    return draw(
        st.fixed_dictionaries({"server_url": st.just("http://vpn.headscale.test"), "derp": derp()}, optional=keys)
    )


def on_loopback(tree, directory):
    """Return a rendered configuration with paths and ports of this machine instead of the pod's."""
    (directory / "secret").write_text("s")

    def moved(value):
        if isinstance(value, dict):
            return {key: moved(item) for key, item in value.items()}
        if isinstance(value, list):
            return [moved(item) for item in value]
        if not isinstance(value, str):
            return value
        for pod in ("/var/lib/headscale", "/var/run/headscale"):
            value = value.replace(pod, str(directory))
        return value

    tree = moved(tree)
    for key in ("listen_addr", "metrics_listen_addr", "grpc_listen_addr"):
        if tree.get(key):
            tree[key] = f"127.0.0.1:{free_port()}"
    tree["derp"]["server"]["stun_listen_addr"] = f"127.0.0.1:{free_port(socket.SOCK_DGRAM)}"
    return tree


def starts(version, directory, config, tries=3):
    """Return None when Headscale starts with a configuration, else its error."""
    problem = starts_at_once(version, directory / str(tries), config)
    # A port is chosen before it is bound, and other instances start at the same time: another may have bound it.
    taken = problem and "address already in use" in problem
    return starts(version, directory, config, tries - 1) if taken and tries else problem


def starts_at_once(version, directory, config):
    directory.mkdir(parents=True)
    spec = HeadscaleArgs.model_validate({"version": EXAMPLES[version], "config": config})
    tree = on_loopback(plain(config_tree(spec)), directory)
    server = RunningHeadscale(version, directory, whole=tree)
    with contextlib.ExitStack() as stack:
        stack.callback(lambda: server.process and server.stop())
        try:
            server.start()
        except AssertionError as error:
            return f"{error}\nof {config}"
    return None


@pytest.mark.parametrize("version", ["0.28", "0.29"])
def test_configuration_accepted_by_models_starts_headscale(version, tmp_path):
    minor, numbers = minor_version(EXAMPLES[version]), itertools.count()

    @settings(
        max_examples=25,
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(st.lists(configurations(minor), min_size=AT_ONCE, max_size=AT_ONCE))
    def holds(configs):
        with ThreadPoolExecutor(AT_ONCE) as pool:
            problems = pool.map(lambda config: starts(version, tmp_path / str(next(numbers)), config), configs)
        assert not [problem for problem in problems if problem]

    holds()

    assert next(numbers) >= 100

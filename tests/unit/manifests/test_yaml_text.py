"""Texts stay texts to Go's YAML, by which kubectl reads objects and Headscale its configuration."""

import pytest
import yaml

from headscale_component import HeadscaleArgs
from headscale_component.manifests import config_yaml, yaml_text
from headscale_component.render import documents, to_yaml
from headscale_component.spec.model import EncryptedValue
from headscale_component.stack_file.documents import plain
from headscale_component.stack_file.go_scalars import resolve
from headscale_component.stack_file.go_yaml import read_yaml

TEXTS = [
    *("y", "Y", "n", "N", "yes", "no", "on", "off", "true", "null", "~", ""),
    *("1e3", "1E3", "-1e-3", ".5", "3.", "1_000", "1_0e1_0", "0x1", "0o7", "0b1", "012", "1:30", "1:30:59"),
    *("2024-01-01", "2024-1-1", "2024-01-01T00:00:00Z", ".inf", ".nan", "-.Inf", "="),
]


@pytest.mark.parametrize("text", TEXTS)
def test_text_is_quoted_where_go_reads_another_type(text):
    tree = {"a": text, text: ["b", text]}

    for written in (yaml_text.one_document(tree), yaml_text.many_documents([tree])):
        assert yaml.safe_load(written) == tree
        assert f"\na: '{text}'\n" in f"\n{written}"
        assert plain(read_yaml(written)) == tree


@pytest.mark.parametrize("text", ["a", "v0.28.0", "1h", "10.0.0.0/8", "1Gi", "0.0.0.0:8080", "1.2.3", "e3", "0xg"])
def test_text_without_another_reading_has_no_quotes(text):
    assert resolve(text, "", is_plain=True) == text
    assert yaml_text.one_document({"a": text}) == f"a: {text}\n"


def test_variable_and_configuration_keep_texts():
    spec = HeadscaleArgs.model_validate(
        {
            "version": "v0.28.0",
            "config": {"server_url": "https://vpn.example.com", "acme_email": "1e3", "dns": {"search_domains": ["n"]}},
            "pod": {"env": {"A": "0x1", "B": "1:30"}},
        }
    )
    rendered = to_yaml(documents("vpn", spec))

    assert "value: '0x1'" in rendered
    assert "value: '1:30'" in rendered
    configuration = config_yaml.to_yaml(config_yaml.config_tree(spec))
    assert "acme_email: '1e3'" in configuration
    assert "- 'n'" in configuration


def test_text_of_several_lines_stays_readable():
    assert yaml_text.many_documents([{"a": "b\nn\n"}]) == "---\na: |\n  b\n  n\n"


def test_encrypted_value_is_shown_as_a_secret():
    assert yaml_text.one_document({"a": EncryptedValue()}) == "a: '[secret]'\n"

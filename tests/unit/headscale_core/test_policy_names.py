"""Names outside ASCII in a policy without some of its tests: Headscale reads some of them without their escapes."""

from headscale_core.policy import acl_tests


def test_names_keep_their_letters():
    policy = '{"tagOwners": {"tag:büro": []}, "tests": [{"src": "ada@"}]}'

    assert '"tag:büro"' in acl_tests.without_tests(policy, ["tests[0]"])

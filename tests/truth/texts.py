"""Policies as files may hold them: HuJSON with all that JSON does not know, and what HuJSON does not know."""

from collections.abc import Iterator

from tests.truth import words
from tests.truth.case import Case

_RULE = '{"action": "accept", "src": ["*"], "dst": ["*:*"]}'
TEXTS = (
    "",
    " ",
    "\n",
    "{}",
    "null",
    "[]",
    '"x"',
    "1",
    "true",
    "// only a comment\n",
    "/* only a comment */",
    "{} // comment",
    "{} // comment\n",
    "{} /* comment */",
    "{} /* comment",
    "// comment\n{}",
    "/* a /* b */ {}",
    "/**/{}",
    "{}{}",
    "{} x",
    "\ufeff{}",
    "\ufeff",
    "{,}",
    '{"acls": [,]}',
    '{"acls": [],}',
    '{"acls": [],,}',
    f'{{"acls": [{_RULE},]}}',
    f'{{"acls": [{_RULE},,]}}',
    '{"acls": [] "groups": {}}',
    "{acls: []}",
    "{'acls': []}",
    '{"acls": []',
    '{"acls": NaN}',
    '{"acls": [NaN]}',
    '{"randomizeClientPort": NaN}',
    '{"randomizeClientPort": Infinity}',
    '{"randomizeClientPort": 1}',
    '{"randomizeClientPort": "yes"}',
    '{"randomizeClientPort": true}',
    '{"randomizeClientPort": null}',
    '{"acls": [], "acls": []}',
    '{"acls": [], "ACLs": []}',
    '{"ACLs": []}',
    '{"ACLS": [{"Action": "accept", "SRC": ["*"], "Dst": ["*:*"]}]}',
    '{"acls": [{"action": "accept", "src": ["*"], "Src": ["*"], "dst": ["*:*"]}]}',
    '{"hosts": {"a": "10.0.0.1", "a": "10.0.0.2"}}',
    '{"hosts": {"a": "10.0.0.1", "A": "10.0.0.2"}}',
    '{"groups": {"group:a": [], "group:a": []}}',
    '{"tag_owners": {"tag:a": ["alice@"]}}',
    '{"tag-owners": {"tag:a": ["alice@"]}}',
    '{"tagowners": {"tag:a": ["alice@"]}}',
    '{"auto_approvers": {}}',
    '{"autoApprovers": {"exit_node": []}}',
    '{"autoApprovers": {"ExitNode": []}}',
    '{"node_attrs": []}',
    '{"ssh_tests": []}',
    '{"random_client_port": true}',
    '{"$schema": "x"}',
    '{"file": "x"}',
    '{"overwrite": true}',
    '{"acls": [], "#note": "x"}',
    '{"acls": [{"action": "accept", "src": ["*"], "dst": ["*:*"], "#note": 1}]}',
    '{"ssh": [{"action": "accept", "src": ["alice@"], "dst": ["alice@"], "users": ["root"], "#note": 1}]}',
    '{"acls": [{"action": "accept", "src": ["\\ud800"], "dst": ["*:*"]}]}',
    '{"hosts": {"\\ud800": "10.0.0.1"}}',
    '{"hosts": {"a\\u0000": "10.0.0.1"}}',
    '{"hosts": {"a\tb": "10.0.0.1"}}',
    '{"hosts": {"a\nb": "10.0.0.1"}}',
    '{"hosts": {"a\\qb": "10.0.0.1"}}',
    '{"hosts": {"a": "10.0.0.1"}} // a\r{"x"}',
    '{"acls": []} // a\r',
    '{"acls": [] // a\r}',
    '{"acls": [] // a\r\n}',
    '{\r\n"acls": []\r\n}',
    '{"acls":\t[]}',
    '{"acls":\u00a0[]}',
    '{"acls":\f[]}',
    '{"acls": [], // "x": 1,\n}',
    '{"hosts": {"a//b": "10.0.0.1"}}',
    '{"hosts": {"a/*b*/": "10.0.0.1"}}',
    '{"hosts": {"a,}": "10.0.0.1"}}',
    '{"hosts": {"a": "10.0.0.1",},}',
    '# comment\n{"acls": []}',
    '{"acls": ' + "[" * 100 + "]" * 100 + "}",
    '{"acls": ' + "[" * 20000 + "]" * 20000 + "}",
    f'{{"acls": [{",".join([_RULE] * 2000)}]}}',
    # Keys of rules with hyphens and underscores.
    *(
        f'{{"tagOwners": {{"tag:a": []}}, "ssh": [{{"action": "check", "src": ["alice@"], "dst": ["tag:a"], '
        f'"users": ["root"], {member}}}]}}'
        for member in (
            '"check_period": "1h"',
            '"check-period": "1h"',
            '"CheckPeriod": "1h"',
            '"check__period": "1h"',
            '"check_period": "1h", "checkPeriod": "1h"',
            '"accept_env": ["LANG"]',
            '"checkPeriod": 0',
            '"checkPeriod": "0"',
        )
    ),
    '{"Tag_Owners": {"tag:a": null}}',
    '{"tag_owners": {}, "tagOwners": {}}',
    '{"autoApprovers": {"exit-node": ["alice@"], "Routes": {"10.0.0.0/8": null}}}',
    '{"node-attrs": [{"target": ["*"], "ip_pool": []}]}',
    '{"ssh-tests": []}',
    '{"randomize_client_port": true}',
    # Escapes, in names and in values of each kind.
    *(
        text.replace("?", escape)
        for text, escape in (
            (
                '{"tagOwners": {"tag:?": []}, "acls": [{"action": "accept", "src": ["tag:?"], "dst": ["*:*"]}]}',
                "\\u0061",
            ),
            (
                '{"tagOwners": {"tag:x?": []}, "acls": [{"action": "accept", "src": ["tag:x?"], "dst": ["*:*"]}]}',
                "\\u00e9",
            ),
            (
                '{"tagOwners": {"tag:x?": []}, "acls": [{"action": "accept", "src": ["tag:xé"], "dst": ["*:*"]}]}',
                "\\u00e9",
            ),
            (
                '{"tagOwners": {"tag:x?": []}, "acls": [{"action": "accept", "src": ["*"], "dst": ["tag:x?:22"]}]}',
                "\\u043f",
            ),
            ('{"groups": {"group:?": ["alice?"]}, "tagOwners": {"tag:a": ["group:?"]}}', "\\u0040"),
            ('{"groups": {"group:é": ["alice@"]}, "tagOwners": {"tag:a": ["group:?"]}}', "\\u00e9"),
            ('{"hosts": {"?": "10.0.0.1"}, "acls": [{"action": "accept", "src": ["?"], "dst": ["?:22"]}]}', "\\u00e9"),
            ('{"acls": [{"action": "?ccept", "src": ["*"], "dst": ["*:*"]}]}', "\\u0061"),
            ('{"acls": [{"action": "accept", "src": ["?"], "dst": ["?:*"]}]}', "\\u002a"),
            ('{"acls": [{"action": "accept", "proto": "?", "src": ["*"], "dst": ["*:*"]}]}', "\\u0036"),
            ('{"acls": [{"action": "accept", "src": ["10.0.0.0?8"], "dst": ["*:*"]}]}', "\\/"),
            ('{"autoApprovers": {"routes": {"10.0.0.0?8": ["alice@"]}}}', "\\/"),
            ('{"hosts": {"a": "10.0.0.0?8"}}', "\\u002f"),
            ('{"acls": [{"action": "accept", "src": ["autogroup?member"], "dst": ["*:*"]}]}', "\\u003a"),
            ('{"?cls": []}', "\\u0061"),
            ('{"hosts": {"a?b": "10.0.0.1"}}', "\\n"),
            ('{"hosts": {"a?b": "10.0.0.1"}} // ?\n', '\\"'),
            ('{"hosts": {"?": "10.0.0.1"}} /* " */', "\\ud83d\\ude00"),
            ('{"grants": [{"src": ["*"], "dst": ["*"], "app": {"example.com?x": []}}]}', "\\/"),
        )
    ),
    *(
        '{"tagOwners": {"tag:a": []}, "ssh": [{"action": "check", "src": ["alice@"], "dst": ["tag:a"], '
        f'"users": ["ro\\u006ft"], "checkPeriod": "{period}"}}]}}'
        for period in ("1\\u00b5s", "1µs", "1\\u0068", "\\u0061lways")
    ),
)


def cases() -> Iterator[Case]:
    for number, text in enumerate(TEXTS):
        yield Case("texts", f"text {number}", text, users=words.USERS)

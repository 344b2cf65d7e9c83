use proptest::prelude::*;

use super::*;

#[test]
fn secrets_are_hidden() {
    for (text, shown) in [
        ("publish_key = \"abc\"", "publish_key = \"***\""),
        ("publish_key=\"a\\\"c\"", "publish_key=\"****\""),
        ("\"publish_key\" = 'abc'", "\"publish_key\" = '***'"),
        ("pulbish_kye = \"abc\"", "pulbish_kye = \"***\""),
        ("password = \"é\"", "password = \"**\""),
        ("publish_key = abc", "publish_key = ***"),
        ("publish_key = \"abc", "publish_key = \"***"),
        ("\"pass word\" = \"abc\"", "\"pass *************"),
        ("stream.password = \"a\"", "stream.password = \"*\""),
        ("publish_key_file = \"k\"", "publish_key_file = \"k\""),
        ("password_file = \"k\"", "password_file = \"k\""),
    ] {
        assert_eq!(mask(text), shown);
    }
}

#[test]
fn no_quote_bracket_or_comment_ends_a_secret() {
    for (text, shown) in [
        ("password = \"a\"b\"", "password = \"***\""),
        ("password = \"a\"b", "password = \"***"),
        ("password = \"a\"'b'", "password = \"*****"),
        ("password = 'a\\'b'", "password = '****'"),
        ("password = \"a\" # b", "password = \"******"),
        ("password = \"a, b", "password = \"****"),
        ("password = a\"b]c", "password = *****"),
        ("password: \"a\"", "password: \"*\""),
        ("password a=b", "password ***"),
        (
            "{ password = \"a\", user = \"b\" }",
            "{ password = \"****************",
        ),
    ] {
        assert_eq!(mask(text), shown);
    }
}

#[test]
fn secrets_of_several_lines_are_hidden() {
    for (text, shown) in [
        (
            "key = \"\"\"\nab\n\"\"\"\na=1",
            "key = \"\"\"\n**\n\"\"\"\na=1",
        ),
        (
            "key = \"\"\"\na=1\n[b]\\\"\"\"\nc\"\"\" d\na=1",
            "key = \"\"\"\n***\n*******\n******\na=1",
        ),
        ("key = '''\na=1\\'''\nb=1", "key = '''\n****'''\nb=1"),
        (
            "key = [\n\"a]b\",\n\"c=\",\nd=1\n]\na=1",
            "key = *\n******\n*****\n***\n*\na=1",
        ),
        ("key = {\na=1\n}\na=1", "key = *\n***\n*\na=1"),
        ("key = \"a\nb\"\na=1", "key = \"*\n*\"\na=1"),
        ("key =\n\"a\"\n[b]", "key =\n***\n[b]"),
        (
            "stream = [\n{ name = \"a\", password = \"b\" },\n{ name = \"c\" },\n]",
            "stream = [\n{ name = \"a\", password = \"*****\n{ name = \"c\" },\n]",
        ),
    ] {
        assert_eq!(mask(text), shown);
    }
}

#[test]
fn placeholders_are_shown() {
    for placeholder in ["publish_key = \"CHANGE_ME\"", "\"publish_key\" = CHANGE_ME"] {
        assert_eq!(mask(placeholder), placeholder);
    }
    let placeholder = "WEIR__STREAM__a__PUBLISH_KEY=CHANGE_ME";
    assert_eq!(mask_variable(placeholder), placeholder);
    assert_eq!(mask("password = \"CHANGE_ME\""), "password = \"*********\"");
}

#[test]
fn addresses_are_shown_without_credentials() {
    for (source, shown) in [
        ("http://h/x", "http://h/x"),
        ("http://u:p@h/x", "http://***@h/x"),
        ("http://u:p/q@h/x", "http://*****@h/x"),
        ("http://u:p@q@h/x", "http://*****@h/x"),
        ("http://u:p q@h/x", "http://*****@h/x"),
        ("http://u:p\"q@h/x", "http://*****@h/x"),
        ("http://u:p?q@h/x", "http://*********"),
        ("http://u:p#q@h/x", "http://*********"),
        ("http:u:p@h/x", "********@h/x"),
        ("http:/u:p@h/x", "*********@h/x"),
        ("u:p@h/x", "***@h/x"),
        ("http://h/x?a=b", "http://h/x?***"),
        ("http://h/x?a b\"c", "http://h/x?*****"),
        ("http://h/x#a", "http://h/x#*"),
        ("http://h/x #a", "http://h/x #*"),
        ("h/x?a", "h/x?*"),
    ] {
        let masked = mask(&format!("source = \"{source}\""));
        assert_eq!(masked, format!("source = \"{shown}\""));
    }
    let commented = "source = \"http://h/x\" # ours";
    assert_eq!(mask(commented), commented);
}

#[test]
fn a_secret_variable_is_hidden_to_its_end() {
    for (variable, shown) in [
        ("a__PUBLISH_KEY=abc", "a__PUBLISH_KEY=***"),
        ("a__PASSWORD=[a]b", "a__PASSWORD=****"),
        ("a__PASSWORD={a}b", "a__PASSWORD=****"),
        ("a__PASSWORD=\"a\"b", "a__PASSWORD=****"),
        ("a__PASSWORD='''a", "a__PASSWORD=****"),
        ("a__PASSWORD= a\nb=c", "a__PASSWORD=**\n***"),
        ("PASSWORD__a=b", "PASSWORD__a=*"),
        ("key__SOURCE=push:", "key__SOURCE=push:"),
        ("a__SOURCE=u:p@h", "a__SOURCE=***@h"),
        ("a__SOURCE=http://h/?a", "a__SOURCE=http://h/?*"),
        ("a__PASSWORD_FILE=k", "a__PASSWORD_FILE=k"),
    ] {
        let masked = mask_variable(&format!("WEIR__STREAM__{variable}"));
        assert_eq!(masked, format!("WEIR__STREAM__{shown}"));
    }
}

#[test]
fn no_other_key_is_taken_for_a_secret() {
    for key in known_keys() {
        assert_eq!(is_secret(key), SECRET_KEYS.contains(&key), "{key}");
    }
}

/// How a secret may be written, well or badly, with `S` in its place.
const FORMS: [&str; 13] = [
    "publish_key = \"S\"",
    "publish_key = 'S' # mine",
    "publish_key = S",
    "publish_key = \"\"\"S\"\"\"",
    "publish_key = [\"S\"]",
    "password: S",
    "password S",
    "{ name = \"a\", password = \"S\" }",
    "source = \"http://user:S@10.0.0.7/\"",
    "source = \"http:user:S@10.0.0.7/\"",
    "source = \"user:S@10.0.0.7/\"",
    "source = \"http://10.0.0.7/?S\"",
    "source = \"http://10.0.0.7/#S\"",
];

proptest! {
    #[test]
    fn length_is_kept(text: String, key in "(publish_key|password) ?= ?[\"'\\[]{0,3}\\PC*") {
        let all = format!("{text}\n{key}");
        prop_assert_eq!(mask(&all).len(), all.len());
        prop_assert_eq!(mask_variable(&all).len(), all.len());
    }

    #[test]
    fn nothing_of_a_secret_is_shown(
        form in prop::sample::select(&FORMS[..]),
        secret in "Q[QZ\"'\\\\\\[\\]{}#=,:;@?/ &%]{0,12}Q",
    ) {
        let text = format!("[[stream]]\n{}\nname = \"a\"\n", form.replace('S', &secret));
        let masked = mask(&text);
        prop_assert!(!masked.contains(['Q', 'Z']), "{}", masked);
        prop_assert!(masked.ends_with("\nname = \"a\"\n"), "{}", masked);
    }

    #[test]
    fn nothing_of_a_secret_variable_is_shown(secret in "[QZ\"'\\\\\\[\\]{}#=,:;@?/ \n]{1,12}") {
        let masked = mask_variable(&format!("WEIR__STREAM__a__PUBLISH_KEY={secret}"));
        prop_assert!(!masked.contains(['Q', 'Z']), "{}", masked);
    }
}

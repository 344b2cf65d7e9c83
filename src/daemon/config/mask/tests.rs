use proptest::prelude::*;

use super::super::document::parse;
use super::*;

/// Masks a file as loading it does.
fn mask(text: &str) -> String {
    let mut problems = Vec::new();
    let root = parse(text, 0, &mut problems);
    if problems.is_empty() {
        document(text, &root)
    } else {
        broken(text)
    }
}

#[test]
fn secrets_are_hidden() {
    for (text, shown) in [
        ("publish_key = \"abc\"", "publish_key = \"***\""),
        ("publish_key=\"a\\\"c\"", "publish_key=\"****\""),
        ("\"publish_key\" = 'abc'", "\"publish_key\" = '***'"),
        (
            "\"publish\\u005fkey\" = 'abc'",
            "\"publish\\u005fkey\" = '***'",
        ),
        ("pulbish_kye = \"abc\"", "pulbish_kye = \"***\""),
        ("publish_key = 12345678", "publish_key = ********"),
        ("password = \"é\"", "password = \"**\""),
        ("password = \"a\" # b", "password = \"******"),
        ("\"pass word\" = \"abc\"", "\"pass word\" = \"***\""),
        ("stream.password = \"a\"", "stream.password = \"*\""),
        ("publish_key_file = \"k\"", "publish_key_file = \"k\""),
        ("password_file = \"k\"", "password_file = \"k\""),
        ("name = \"password: a\"", "name = \"***********\""),
    ] {
        assert_eq!(mask(text), shown);
    }
}

#[test]
fn secrets_in_arrays_and_tables_are_hidden() {
    for (text, shown) in [
        (
            "key = [\n\"a]b\",\n1,\n]\na=1",
            "key = *\n******\n**\n*\na=1",
        ),
        ("key = { a = 1 }\na=1", "key = *********\na=1"),
        ("[key]\na = 1\n[b]\na = 1", "*****\n* = *\n[b]\na = 1"),
        ("key.a = 1\na = 1", "*********\na = 1"),
        (
            "stream = [\n{ name = \"a\", password = \"b\" },\n{ name = \"c\" },\n]",
            "stream = [\n{ name = \"a\", password = \"*****\n{ name = \"c\" },\n]",
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
            "key = \"\"\"\na=1\n[b]\\\"\"\"\nc\"\"\" # d\na=1",
            "key = \"\"\"\n***\n*******\n********\na=1",
        ),
        ("key = '''\na=1\\'''\nb=1", "key = '''\n****'''\nb=1"),
    ] {
        assert_eq!(mask(text), shown);
    }
}

#[test]
fn after_a_syntax_error_lines_are_shown_up_to_their_equals_sign() {
    for (text, shown) in [
        ("[server\nhttp = a # b", "[server\nhttp = *****"),
        ("[[stream]]\na = b\na.b=c", "[[stream]]\na = *\na.b=*"),
        ("publish_key = \"a", "publish_key = **"),
        ("password = \"a\"'b'=c", "password = ********"),
        ("key = \"a\nb\"\na=1", "key = **\n**\na=*"),
        ("password: \"a\"", "*************"),
        ("password a=b", "************"),
        ("{ password = \"a\" }", "******************"),
        ("# a=b\nc", "*****\n*"),
        ("[server] # a\nb", "************\n*"),
        ("key = \"\"\"\na=1\n[b]\n", "key = ***\n***\n***\n"),
    ] {
        assert_eq!(mask(text), shown);
    }
}

#[test]
fn placeholders_are_shown() {
    let placeholder = "\"publish_key\" = 'CHANGE_ME'";
    assert_eq!(mask(placeholder), placeholder);
    let placeholder = variable("WEIR__STREAM__a__PUBLISH_KEY", "CHANGE_ME");
    assert_eq!(placeholder, "WEIR__STREAM__a__PUBLISH_KEY=CHANGE_ME");
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
        ("http://u:p?q@h/x", "http://*********"),
        ("http://u:p#q@h/x", "http://*********"),
        ("http:u:p@h/x", "********@h/x"),
        ("http:/u:p@h/x", "*********@h/x"),
        ("u:p@h/x", "***@h/x"),
        ("u:p\\u0040h/x", "************"),
        ("http://h/x?a=b", "http://h/x?***"),
        ("http://h/x#a", "http://h/x#*"),
        ("http://h/x #a", "http://h/x #*"),
        ("h/x?a", "h/x?*"),
    ] {
        let masked = mask(&format!("source = \"{source}\""));
        assert_eq!(masked, format!("source = \"{shown}\""));
    }
}

#[test]
fn comments_are_shown_unless_they_may_hold_a_secret() {
    for (comment, shown) in [
        ("a = \"b#\" # ours", "a = \"b#\" # ours"),
        ("# password a", "#***********"),
        ("a = 1 # was http://u:p@h/", "a = 1 #******************"),
        ("a = \"b\"#c\"", "a = ******"),
    ] {
        assert_eq!(mask(comment), shown);
    }
}

#[test]
fn a_secret_variable_is_hidden_to_its_end() {
    for (name, value, shown) in [
        ("a__PUBLISH_KEY", "abc", "***"),
        ("a__PASSWORD", "\"a\"b", "****"),
        ("a__PASSWORD", "'''a", "****"),
        ("a__PASSWORD", " a\nb=c", "**\n***"),
        ("PASSWORD__a", "b", "*"),
        ("key__SOURCE", "push:", "push:"),
        ("a__SOURCE", "u:p@h", "***@h"),
        ("a__SOURCE", "http://h/?a", "http://h/?*"),
        ("a__SOURCE", "password=a", "**********"),
        ("a__PASSWORD_FILE", "k", "k"),
    ] {
        let name = format!("WEIR__STREAM__{name}");
        assert_eq!(variable(&name, value), format!("{name}={shown}"));
    }
}

#[test]
fn no_other_key_is_taken_for_a_secret() {
    for key in known_keys() {
        // The path of the certificate's key in [server] is hidden with those who write `key` for
        // `publish_key` in [[stream]].
        let is_hidden = SECRET_KEYS.contains(&key) || key == "key";
        assert_eq!(is_secret(key), is_hidden, "{key}");
    }
}

/// How a secret may be written, well or badly, with `S` in its place.
const FORMS: [&str; 14] = [
    "publish_key = \"S\"",
    "publish_key = 'S' # mine",
    "publish_key = S",
    "publish_key = \"\"\"S\"\"\"",
    "publish_key = [\"S\"]",
    "password: S",
    "password S",
    "{ name = \"a\", password = \"S\" }",
    "a = { name = \"a\", password = \"S\" }",
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
        prop_assert_eq!(variable(&key, &text).len(), key.len() + 1 + text.len());
    }

    #[test]
    fn nothing_of_a_secret_is_shown(
        form in prop::sample::select(&FORMS[..]),
        secret in "Q[QZ\"'\\\\\\[\\]{}#=,:;@?/ &%]{0,12}Q",
    ) {
        let masked = mask(&format!("[[stream]]\n{}\nname = \"a\"\n", form.replace('S', &secret)));
        prop_assert!(!masked.contains(['Q', 'Z']), "{}", masked);
    }

    #[test]
    fn nothing_of_a_secret_variable_is_shown(secret in "[QZ\"'\\\\\\[\\]{}#=,:;@?/ \n]{1,12}") {
        let masked = variable("WEIR__STREAM__a__PUBLISH_KEY", &secret);
        prop_assert!(!masked.contains(['Q', 'Z']), "{}", masked);
    }
}

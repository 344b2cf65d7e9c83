//! Values of `[server]` that concern browsers: sites and host names, each in a list that may be
//! empty.

use super::document::{Node, Value};
use super::reader::Wrong;
use crate::base::cors::{Cors, NoOrigin, WebOrigin};

/// Maximum number of sites or names in a list.
const ITEMS_MAX: usize = 64;
/// Longest name of a host, in bytes (RFC 1035 section 2.3.4).
const HOST_BYTES_MAX: usize = 253;

/// Sites whose pages may use media and API: `["*"]`, or origins; `[]` is none.
pub(super) fn cors(value: &Value) -> Result<Cors, Wrong> {
    let expected = "[\"*\"] for every site, [] for none, or sites such as \"https://example.org\"";
    let sites = list(value, expected)?;
    if sites == ["*"] {
        return Ok(Cors::Any);
    }
    let sites = sites.into_iter().map(|site| match WebOrigin::parse(&site) {
        Ok(origin) => Ok(origin),
        Err(NoOrigin::Spelling(sent)) => {
            let label = format!("{site:?} is not how browsers name a site");
            Err(Wrong::new(label).help(Some(format!("write {sent:?}"))))
        }
        Err(NoOrigin::NotASite) if site == "*" => {
            let help = "write [\"*\"] for every site, or leave \"*\" out".to_owned();
            Err(Wrong::new("\"*\" stands alone").help(Some(help)))
        }
        Err(NoOrigin::NotASite) => Err(Wrong::new(format!(
            "{site:?} is not a site; expected {expected}"
        ))),
    });
    sites.collect::<Result<_, _>>().map(Cors::Only)
}

/// Names of hosts, without ports; in lower case.
pub(super) fn host_names(value: &Value) -> Result<Vec<String>, Wrong> {
    let expected = "names of this machine such as [\"weir.lan\"], without ports";
    let names = list(value, expected)?.into_iter().map(|name| {
        let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_');
        if name.is_empty() || name.len() > HOST_BYTES_MAX || !name.bytes().all(allowed) {
            let label = format!("{name:?} is not the name of a host; expected {expected}");
            return Err(Wrong::new(label));
        }
        Ok(name.trim_end_matches('.').to_ascii_lowercase())
    });
    names.collect()
}

/// The texts in an array, or between the commas of a variable.
fn list(value: &Value, expected: &str) -> Result<Vec<String>, Wrong> {
    let text = |item: &Node| match &item.value {
        Value::String(text) => Ok(text.clone()),
        other => Err(Wrong::new(format!(
            "expected {expected}; found {}",
            other.kind()
        ))),
    };
    let items = match value {
        Value::Array(items) => items.iter().map(text).collect::<Result<Vec<_>, _>>()?,
        Value::Variable(text) => {
            let items = text.split(',').map(str::trim);
            items
                .filter(|item| !item.is_empty())
                .map(str::to_owned)
                .collect()
        }
        other => {
            let help = match other {
                Value::String(text) if text.is_empty() => Some("write []".to_owned()),
                Value::String(text) => Some(format!("write [{text:?}]")),
                _ => None,
            };
            let label = format!("expected {expected}; found {}", other.kind());
            return Err(Wrong::new(label).help(help));
        }
    };
    if items.len() > ITEMS_MAX {
        return Err(Wrong::new(format!("expected at most {ITEMS_MAX} of them")));
    }
    Ok(items)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variable(text: &str) -> Value {
        Value::Variable(text.to_owned())
    }

    #[test]
    fn sites_are_listed_or_all_or_none() {
        let site = |text| WebOrigin::parse(text).unwrap();
        assert_eq!(cors(&variable("*")), Ok(Cors::Any));
        assert_eq!(cors(&variable("")), Ok(Cors::Only(Vec::new())));
        let two = vec![site("https://a.example"), site("http://b.example:81")];
        let written = variable("https://a.example, http://b.example:81");
        assert_eq!(cors(&written), Ok(Cors::Only(two)));
    }

    #[test]
    fn mistaken_sites_are_put_right() {
        for (written, help) in [
            ("https://a.example/", Some("write \"https://a.example\"")),
            (
                "*,https://a.example",
                Some("write [\"*\"] for every site, or leave \"*\" out"),
            ),
            ("a.example", None),
        ] {
            let wrong = cors(&variable(written)).unwrap_err();
            assert_eq!(wrong.help.as_deref(), help, "{written}");
        }
        let text = cors(&Value::String("*".to_owned())).unwrap_err();
        assert_eq!(text.help.as_deref(), Some("write [\"*\"]"));
        let many = vec!["https://a.example"; ITEMS_MAX + 1].join(",");
        assert!(cors(&variable(&many)).is_err());
    }

    #[test]
    fn host_names_have_no_port_and_one_spelling() {
        let names = host_names(&variable("Weir.lan., weir"));
        assert_eq!(names, Ok(vec!["weir.lan".to_owned(), "weir".to_owned()]));
        for bad in ["weir:8081", "http://weir", "a b", &"x".repeat(254)] {
            assert!(host_names(&variable(bad)).is_err(), "{bad}");
        }
    }
}

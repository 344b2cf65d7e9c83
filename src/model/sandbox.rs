//! How strictly a worker is walled in.

use std::fmt;
use std::str::FromStr;

/// `worker.sandbox`: which walls a worker must have around it before it reads media.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Sandbox {
    /// Every wall that this machine's kernel can raise.
    #[default]
    Auto,
    /// Every wall; a worker that lacks one does not run.
    Required,
    /// None.
    Off,
}

impl Sandbox {
    /// Every value, with its text.
    pub const CHOICES: [(&'static str, Self); 3] = [
        ("auto", Self::Auto),
        ("required", Self::Required),
        ("off", Self::Off),
    ];
}

impl fmt::Display for Sandbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut choices = Self::CHOICES.iter();
        let name = choices.find_map(|(name, value)| (value == self).then_some(*name));
        f.pad(name.unwrap_or_default())
    }
}

impl FromStr for Sandbox {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut choices = Self::CHOICES.iter();
        choices
            .find_map(|(name, value)| (*name == text).then_some(*value))
            .ok_or_else(|| format!("expected auto, required or off, not `{text}`"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_and_values_belong_together() {
        for (text, value) in Sandbox::CHOICES {
            assert_eq!(value.to_string(), text);
            assert_eq!(text.parse(), Ok(value));
        }
        assert!("on".parse::<Sandbox>().is_err());
    }
}

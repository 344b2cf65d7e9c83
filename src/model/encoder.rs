//! Names of encoders: the family that a user prefers, and the template that builds it.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Encoder family as listed in `encoder.order`, such as `vaapi`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Family(String);

/// Name of one pipeline template, such as `vaapi-legacy`. A family may have several templates.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TemplateName(String);

/// What happens when an encoder fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum OnFailure {
    /// Another template takes over.
    Fallback,
    /// The rung is no longer encoded and shows another one.
    Shed,
    /// The stream ends.
    Fail,
}

/// What a rung's media is made by.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Filling {
    /// An encoder, built from this template.
    Encoder(TemplateName),
    /// Nothing: the rung shows another one.
    Asleep,
    /// The publisher's own frames.
    Passthrough,
}

macro_rules! name {
    ($name:ident) => {
        impl $name {
            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl<T: Into<String>> From<T> for $name {
            fn from(name: T) -> Self {
                Self(name.into())
            }
        }

        impl PartialEq<&str> for $name {
            fn eq(&self, other: &&str) -> bool {
                self.0 == *other
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }
    };
}

name!(Family);
name!(TemplateName);

//! `config.toml` → typed, validated settings; every mistake with its place and its fix.

pub mod settings;

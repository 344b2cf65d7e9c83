//! Texts of strangers (publishers, cameras, workers), made safe to log and to show.

/// Cuts `text` to `chars_max` characters and replaces control characters, which could forge log
/// lines or recolour a terminal, with spaces.
pub fn printable(text: &str, chars_max: usize) -> String {
    let clean = text.chars().map(|c| if c.is_control() { ' ' } else { c });
    clean.take(chars_max).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_becomes_one_bounded_line() {
        assert_eq!(printable("a\nb\x1b[31mred", 100), "a b [31mred");
        assert_eq!(printable("äöü\u{85}xyz", 4), "äöü ");
    }
}

//! Copies a worker's stderr to the daemon's log: whole lines, of bounded length, at a bounded rate.
//! A worker handles hostile input, so its output is not trusted.

use std::sync::Arc;
use std::time::Instant;

use tokio::io::{AsyncRead, AsyncReadExt};

use super::process::Label;
use crate::base::text::printable;

/// Longest line that is logged; the rest of the line is left out.
const LINE_BYTES_MAX: usize = 1024;

/// Logs `stderr` until it ends, as far as the worker's [`Voice`](super::voice::Voice) allows.
pub async fn forward(mut stderr: impl AsyncRead + Unpin, pid: u32, label: Arc<Label>) {
    let mut lines = Lines::default();
    let mut buffer = vec![0; 4096];
    while let Ok(n @ 1..) = stderr.read(&mut buffer).await {
        for line in lines.push(buffer.get(..n).unwrap_or_default()) {
            let stream = label.name();
            let Some(left_out) = label.voice().line(Instant::now()) else {
                continue;
            };
            if left_out > 0 {
                tracing::warn!(stream, pid, left_out, "worker writes too much");
            }
            tracing::warn!(stream, pid, "worker: {line}");
        }
    }
}

/// Cuts bytes into lines.
#[derive(Debug, Default)]
struct Lines {
    partial: Vec<u8>,
}

impl Lines {
    fn push(&mut self, bytes: &[u8]) -> Vec<String> {
        let mut whole = Vec::new();
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            let (text, ended) = match piece.split_last() {
                Some((b'\n', text)) => (text, true),
                _ => (piece, false),
            };
            let room = LINE_BYTES_MAX.saturating_sub(self.partial.len());
            self.partial.extend(text.iter().take(room));
            if ended {
                let line = std::mem::take(&mut self.partial);
                let line = printable(String::from_utf8_lossy(&line).trim_end(), LINE_BYTES_MAX);
                whole.extend(Some(line).filter(|line| !line.is_empty()));
            }
        }
        whole
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_whole_clean_and_short() {
        let mut lines = Lines::default();
        assert_eq!(lines.push(b"a\nb"), ["a"]);
        assert_eq!(lines.push(b"c\r\n\n\x1b[31mred\n"), ["bc", " [31mred"]);
        let long = [vec![b'x'; 3 * LINE_BYTES_MAX], b"\nnext\n".to_vec()].concat();
        assert_eq!(
            lines.push(&long),
            ["x".repeat(LINE_BYTES_MAX), "next".to_owned()]
        );
        assert_eq!(lines.push(b"\xff\n"), ["\u{fffd}"]);
    }
}

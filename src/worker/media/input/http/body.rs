//! The body of a response, by the rules of RFC 9112 section 6.3.

use std::io::{self, BufRead, Read};

/// Longest line of a chunk's size or of a trailer, in bytes.
const LINE_BYTES_MAX: u64 = 1024;
/// Most trailer lines.
const TRAILERS_MAX: usize = 32;

/// Where a body ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// After this many more bytes.
    Length(u64),
    /// After the last chunk; this many bytes of the current chunk are still to come.
    Chunked {
        /// Bytes of the current chunk that are still to come.
        left: u64,
        /// Whether a chunk was read: the line end behind its data is still to come.
        begun: bool,
    },
    /// Where the connection ends.
    Close,
    /// Here.
    Ended,
}

/// A body that is read from `from`.
pub struct Body<R> {
    from: R,
    framing: Framing,
}

impl<R: BufRead> Body<R> {
    /// The body that follows in `from`.
    pub fn new(from: R, framing: Framing) -> Self {
        Self { from, framing }
    }

    /// Reads up to the next chunk with data; returns the bytes that it has left.
    fn next_chunk(&mut self, begun: bool) -> io::Result<u64> {
        if begun && !line(&mut self.from)?.is_empty() {
            return Err(invalid("a chunk is longer than its size"));
        }
        let text = line(&mut self.from)?;
        let digits = text.split(';').next().unwrap_or_default().trim();
        let size = u64::from_str_radix(digits, 16);
        let size = size.map_err(|_| invalid("the size of a chunk is no number"))?;
        if size == 0 {
            for _ in 0..TRAILERS_MAX {
                if line(&mut self.from)?.is_empty() {
                    break;
                }
            }
        }
        Ok(size)
    }

    fn some(&mut self, into: &mut [u8], left: u64) -> io::Result<u64> {
        let longest = usize::try_from(left).unwrap_or(usize::MAX).min(into.len());
        let into = into.get_mut(..longest).unwrap_or_default();
        match self.from.read(into)? {
            0 if longest > 0 => Err(io::ErrorKind::UnexpectedEof.into()),
            read => Ok(read as u64),
        }
    }
}

impl<R: BufRead> Read for Body<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let read = match self.framing {
            Framing::Ended | Framing::Length(0) => 0,
            Framing::Close => return self.from.read(into),
            Framing::Length(left) => {
                let read = self.some(into, left)?;
                self.framing = Framing::Length(left - read);
                read
            }
            Framing::Chunked { left, begun } => {
                let left = match left {
                    0 => self.next_chunk(begun)?,
                    left => left,
                };
                if left == 0 {
                    self.framing = Framing::Ended;
                    return Ok(0);
                }
                let read = self.some(into, left)?;
                let left = left - read;
                self.framing = Framing::Chunked { left, begun: true };
                read
            }
        };
        usize::try_from(read).map_err(io::Error::other)
    }
}

/// A line without its end.
fn line(from: &mut impl BufRead) -> io::Result<String> {
    let mut bytes = Vec::new();
    let mut limited = from.by_ref().take(LINE_BYTES_MAX);
    limited.read_until(b'\n', &mut bytes)?;
    match bytes.pop() {
        Some(b'\n') => Ok(String::from_utf8_lossy(&bytes).trim_end().to_owned()),
        Some(_) if bytes.len() as u64 + 1 == LINE_BYTES_MAX => Err(invalid("a line is too long")),
        _ => Err(io::ErrorKind::UnexpectedEof.into()),
    }
}

fn invalid(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8], framing: Framing) -> io::Result<Vec<u8>> {
        let mut all = Vec::new();
        // A small buffer makes every chunk span several reads.
        let small = io::BufReader::with_capacity(2, bytes);
        Body::new(small, framing).read_to_end(&mut all).map(|_| all)
    }

    const CHUNKED: Framing = Framing::Chunked {
        left: 0,
        begun: false,
    };

    #[test]
    fn a_body_ends_where_its_framing_says() {
        let chunked = b"3;a=b\r\nabc\r\nA\r\n0123456789\r\n0\r\nX: y\r\n\r\nrest";
        assert_eq!(read(chunked, CHUNKED).unwrap(), b"abc0123456789");
        assert_eq!(read(b"abcdef", Framing::Length(3)).unwrap(), b"abc");
        assert_eq!(read(b"abcdef", Framing::Close).unwrap(), b"abcdef");
    }

    #[test]
    fn a_body_that_ends_early_is_an_error() {
        for (bytes, framing) in [
            (b"ab".as_slice(), Framing::Length(3)),
            (b"3\r\nab", CHUNKED),
            (b"3\r\nabc\r\n", CHUNKED),
            (b"", CHUNKED),
        ] {
            let error = read(bytes, framing).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof, "{bytes:?}");
        }
    }

    #[test]
    fn a_false_chunk_is_an_error() {
        let long = [b"1".repeat(2000), b"\r\n".to_vec()].concat();
        for bytes in [
            b"x\r\n".as_slice(),
            b"1\r\nab\r\n0\r\n\r\n",
            b"-1\r\n",
            &long,
        ] {
            let error = read(bytes, CHUNKED).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidData, "{bytes:?}");
        }
    }
}

//! Reads big-endian fields from a byte slice, never beyond its end.

use bytes::Bytes;

/// Returns `part` of `whole` as [`Bytes`] of its own: a copy when `part` is more than an eighth
/// shorter than `whole`, otherwise a slice. A slice keeps the whole buffer allocated, but queues
/// count its own length only.
///
/// # Panics
/// When `part` is not a slice of `whole`.
pub(super) fn keep(whole: &Bytes, part: &[u8]) -> Bytes {
    if whole.len() - part.len() > whole.len() / 8 {
        Bytes::copy_from_slice(part)
    } else {
        whole.slice_ref(part)
    }
}

/// The unread rest of a slice. Every read returns `None` and consumes nothing when too few bytes
/// are left.
#[derive(Debug, Clone)]
pub(super) struct Cursor<'a>(&'a [u8]);

impl<'a> Cursor<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// The unread bytes.
    pub(super) fn rest(&self) -> &'a [u8] {
        self.0
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (head, tail) = self.0.split_first_chunk::<N>()?;
        self.0 = tail;
        Some(*head)
    }

    pub(super) fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let (head, tail) = self.0.split_at_checked(len)?;
        self.0 = tail;
        Some(head)
    }

    pub(super) fn u8(&mut self) -> Option<u8> {
        self.array::<1>().map(|[byte]| byte)
    }

    pub(super) fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_be_bytes)
    }

    pub(super) fn u24(&mut self) -> Option<u32> {
        self.array::<3>()
            .map(|[high, middle, low]| u32::from_be_bytes([0, high, middle, low]))
    }

    /// A signed 24-bit field (`SI24` of the FLV specification).
    pub(super) fn i24(&mut self) -> Option<i32> {
        self.array::<3>()
            .map(|[high, middle, low]| i32::from_be_bytes([high, middle, low, 0]) >> 8)
    }

    pub(super) fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_be_bytes)
    }

    pub(super) fn u32_le(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    pub(super) fn f64(&mut self) -> Option<f64> {
        self.array().map(f64::from_be_bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_read_in_network_order() {
        let mut cursor = Cursor::new(&[1, 0, 2, 0, 0, 3, 0xff, 0xff, 0xfe, 0, 0, 0, 4, 5, 0, 0, 0]);
        assert_eq!(cursor.u8(), Some(1));
        assert_eq!(cursor.u16(), Some(2));
        assert_eq!(cursor.u24(), Some(3));
        assert_eq!(cursor.i24(), Some(-2));
        assert_eq!(cursor.u32(), Some(4));
        assert_eq!(cursor.u32_le(), Some(5));
        assert!(cursor.is_empty());
    }

    #[test]
    fn a_small_part_does_not_keep_its_buffer() {
        let whole = Bytes::from(vec![7; 800]);
        for (part_bytes, is_copied) in [(800, false), (700, false), (699, true), (1, true)] {
            let kept = keep(&whole, &whole[800 - part_bytes..]);
            assert_eq!(kept, whole[800 - part_bytes..]);
            assert_eq!(kept.is_unique(), is_copied, "{part_bytes}");
        }
    }

    #[test]
    fn a_field_that_is_cut_short_is_left_unread() {
        let mut cursor = Cursor::new(&[1, 2]);
        assert_eq!(cursor.u32(), None);
        assert_eq!(cursor.take(3), None);
        assert_eq!(cursor.len(), 2);
        assert_eq!(cursor.take(2), Some(&[1, 2][..]));
        assert_eq!(cursor.u8(), None);
    }
}

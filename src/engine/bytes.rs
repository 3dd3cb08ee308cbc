//! Numbers out of bytes that may be damaged: little-endian, in the order in which they were written.

/// The bytes end early, or a length says more than they can hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Short;

pub(super) struct Reader<'a> {
    pub(super) bytes: &'a [u8],
}

impl Reader<'_> {
    pub(super) fn take<const N: usize>(&mut self) -> Result<[u8; N], Short> {
        let (taken, rest) = self.bytes.split_first_chunk().ok_or(Short)?;
        self.bytes = rest;
        Ok(*taken)
    }

    pub(super) fn u8(&mut self) -> Result<u8, Short> {
        self.take().map(|[byte]| byte)
    }

    pub(super) fn u32(&mut self) -> Result<u32, Short> {
        self.take().map(u32::from_le_bytes)
    }

    pub(super) fn u64(&mut self) -> Result<u64, Short> {
        self.take().map(u64::from_le_bytes)
    }

    pub(super) fn i32(&mut self) -> Result<i32, Short> {
        self.take().map(i32::from_le_bytes)
    }

    /// A length no greater than the bytes left can hold, at `item_bytes` or more an item.
    pub(super) fn length(&mut self, item_bytes: usize) -> Result<usize, Short> {
        let length = usize::try_from(self.u32()?).map_err(|_| Short)?;
        if length > self.bytes.len() / item_bytes { Err(Short) } else { Ok(length) }
    }
}

pub(super) fn put_length(into: &mut Vec<u8>, length: usize) {
    let length = u32::try_from(length).expect("limits keep every list far below 2^32");
    into.extend(length.to_le_bytes());
}

//! Numbers out of bytes that may be damaged: little-endian, in the order in which they were written; and the seal around
//! them.

use xxhash_rust::xxh3::xxh3_64;

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

/// Why bytes are not what a codec sealed.
pub(super) enum Unsealed {
    Magic,
    Version(u16),
    Checksum,
    Short,
}

const CHECKSUM_BYTES: usize = 8;

/// Seals what was appended to `into` since `start`, magic and version at its beginning: xxh3-64 of it follows.
pub(super) fn seal(into: &mut Vec<u8>, start: usize) {
    let checksum = xxh3_64(&into[start..]);
    into.extend(checksum.to_le_bytes());
}

/// What stands between version and checksum.
pub(super) fn unseal(bytes: &[u8], magic: [u8; 4], version: u16) -> Result<&[u8], Unsealed> {
    let after_magic = bytes.strip_prefix(&magic).ok_or(Unsealed::Magic)?;
    let (found, body) = after_magic.split_first_chunk().ok_or(Unsealed::Short)?;
    let found = u16::from_le_bytes(*found);
    if found != version {
        return Err(Unsealed::Version(found));
    }
    let (body, checksum) = body.split_last_chunk::<CHECKSUM_BYTES>().ok_or(Unsealed::Short)?;
    if xxh3_64(&bytes[..bytes.len() - CHECKSUM_BYTES]) != u64::from_le_bytes(*checksum) {
        return Err(Unsealed::Checksum);
    }
    Ok(body)
}

//! Bits ↔ bytes: a writer and a reader of numbers that mostly are small. Least significant bit first.
//!
//! Numbers are Exponential-Golomb codes (Teuhola 1978): order `k` spends `k + 1` bits on values below 2^k, and two
//! more with every doubling. The reader never trusts a length: what is not there is an error.

use super::StateCodecError;

/// Appends bits to bytes. [`Self::finish`] pads the last byte with zeros.
pub(in crate::engine::user) struct Writer<'a> {
    out: &'a mut Vec<u8>,
    pending: u64,
    /// Bits in `pending`, below 32 between calls.
    count: u32,
}

impl<'a> Writer<'a> {
    pub(in crate::engine::user) fn new(out: &'a mut Vec<u8>) -> Writer<'a> {
        Writer { out, pending: 0, count: 0 }
    }

    /// The low `width` bits of `value`, at most 32; higher bits of `value` are 0.
    pub(super) fn bits(&mut self, value: u32, width: u32) {
        self.pending |= u64::from(value) << self.count;
        self.count += width;
        if self.count >= 32 {
            self.out.extend_from_slice(&(self.pending as u32).to_le_bytes());
            self.pending >>= 32;
            self.count -= 32;
        }
    }

    pub(super) fn flag(&mut self, flag: bool) {
        self.bits(u32::from(flag), 1);
    }

    pub(super) fn u64(&mut self, value: u64) {
        self.bits(value as u32, 32);
        self.bits((value >> 32) as u32, 32);
    }

    pub(super) fn u128(&mut self, value: u128) {
        self.u64(value as u64);
        self.u64((value >> 64) as u64);
    }

    /// Exponential-Golomb code of order `k`, below 32.
    pub(in crate::engine::user) fn number(&mut self, value: u32, k: u32) {
        let quotient = u64::from(value >> k) + 1;
        let extra = quotient.ilog2();
        let low = (quotient - (1 << extra)) as u32;
        if extra < 16 {
            self.bits((low << 1 | 1) << extra, 2 * extra + 1);
        } else {
            self.bits(0, extra);
            self.bits(1, 1);
            self.bits(low, extra);
        }
        self.bits(value & ((1 << k) - 1), k);
    }

    /// Whole bytes, from the next byte border on.
    pub(super) fn bytes(&mut self, bytes: &[u8]) {
        self.flush();
        self.out.extend_from_slice(bytes);
    }

    pub(super) fn finish(mut self) {
        self.flush();
    }

    fn flush(&mut self) {
        let used = self.count.div_ceil(8) as usize;
        self.out.extend_from_slice(&self.pending.to_le_bytes()[..used]);
        self.pending = 0;
        self.count = 0;
    }
}

/// Reads what [`Writer`] wrote.
pub(in crate::engine::user) struct Reader<'a> {
    bytes: &'a [u8],
    /// First byte not in `pending`.
    at: usize,
    pending: u64,
    /// Bits of `pending` that count; those above are either 0 or bits of `bytes[at]`, which refilling puts there
    /// again.
    count: u32,
}

impl<'a> Reader<'a> {
    pub(in crate::engine::user) fn new(bytes: &'a [u8]) -> Reader<'a> {
        Reader { bytes, at: 0, pending: 0, count: 0 }
    }

    fn refill(&mut self) {
        if let Some(word) = self.bytes.get(self.at..).and_then(|rest| rest.first_chunk()) {
            self.pending |= u64::from_le_bytes(*word) << self.count;
            let taken = (63 - self.count) / 8;
            self.at += taken as usize;
            self.count += taken * 8;
            return;
        }
        while self.count <= 56
            && let Some(byte) = self.bytes.get(self.at)
        {
            self.pending |= u64::from(*byte) << self.count;
            self.at += 1;
            self.count += 8;
        }
    }

    fn skip(&mut self, width: u32) {
        self.pending >>= width;
        self.count -= width;
    }

    /// The next `width` bits, at most 32.
    pub(super) fn bits(&mut self, width: u32) -> Result<u32, StateCodecError> {
        if self.count < width {
            self.refill();
            if self.count < width {
                return Err(StateCodecError::Length);
            }
        }
        let value = self.pending & ((1 << width) - 1);
        self.skip(width);
        Ok(value as u32)
    }

    pub(super) fn flag(&mut self) -> Result<bool, StateCodecError> {
        Ok(self.bits(1)? == 1)
    }

    pub(super) fn u64(&mut self) -> Result<u64, StateCodecError> {
        let low = self.bits(32)?;
        Ok(u64::from(self.bits(32)?) << 32 | u64::from(low))
    }

    pub(super) fn u128(&mut self) -> Result<u128, StateCodecError> {
        let low = self.u64()?;
        Ok(u128::from(self.u64()?) << 64 | u128::from(low))
    }

    pub(in crate::engine::user) fn number(&mut self, k: u32) -> Result<u32, StateCodecError> {
        if self.count <= 32 {
            self.refill();
        }
        let extra = self.pending.trailing_zeros();
        if extra > 32 && self.count > 32 {
            return Err(StateCodecError::Range("number"));
        }
        if extra >= self.count {
            return Err(StateCodecError::Length);
        }
        self.skip(extra + 1);
        let quotient = (1_u64 << extra) + u64::from(self.bits(extra)?);
        let value = ((quotient - 1) << k) | u64::from(self.bits(k)?);
        u32::try_from(value).map_err(|_| StateCodecError::Range("number"))
    }

    /// A number that fits what is asked for.
    pub(super) fn small<T: TryFrom<u32>>(&mut self, k: u32, what: &'static str) -> Result<T, StateCodecError> {
        T::try_from(self.number(k)?).map_err(|_| StateCodecError::Range(what))
    }

    /// Whole bytes, from the next byte border on.
    pub(super) fn bytes(&mut self, count: usize) -> Result<&'a [u8], StateCodecError> {
        self.align()?;
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let (taken, _) = rest.split_at_checked(count).ok_or(StateCodecError::Length)?;
        self.at += count;
        Ok(taken)
    }

    /// Everything was read.
    pub(super) fn finish(mut self) -> Result<(), StateCodecError> {
        self.align()?;
        if self.at == self.bytes.len() { Ok(()) } else { Err(StateCodecError::Length) }
    }

    fn align(&mut self) -> Result<(), StateCodecError> {
        let padding = self.bits(self.count % 8)?;
        self.at -= (self.count / 8) as usize;
        self.pending = 0;
        self.count = 0;
        if padding == 0 { Ok(()) } else { Err(StateCodecError::Range("padding")) }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[derive(Clone, Debug)]
    enum Piece {
        Bits(u32, u32),
        Number(u32, u32),
        Wide(u128),
        Bytes(Vec<u8>),
    }

    fn piece() -> impl Strategy<Value = Piece> {
        let bits = (any::<u32>(), 0..=32_u32)
            .prop_map(|(value, width)| Piece::Bits((u64::from(value) & ((1 << width) - 1)) as u32, width));
        let number =
            (any::<u32>(), 0..32_u32, 0..32_u32).prop_map(|(value, shift, k)| Piece::Number(value >> shift, k));
        let bytes = proptest::collection::vec(any::<u8>(), 0..20).prop_map(Piece::Bytes);
        prop_oneof![4 => bits, 4 => number, 1 => any::<u128>().prop_map(Piece::Wide), 1 => bytes]
    }

    fn write(pieces: &[Piece]) -> Vec<u8> {
        let mut out = Vec::new();
        let mut writer = Writer::new(&mut out);
        for piece in pieces {
            match piece {
                Piece::Bits(value, width) => writer.bits(*value, *width),
                Piece::Number(value, k) => writer.number(*value, *k),
                Piece::Wide(value) => writer.u128(*value),
                Piece::Bytes(bytes) => writer.bytes(bytes),
            }
        }
        writer.finish();
        out
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(pieces in proptest::collection::vec(piece(), 0..60)) {
            let bytes = write(&pieces);
            let mut reader = Reader::new(&bytes);
            for piece in &pieces {
                match piece {
                    Piece::Bits(value, width) => prop_assert_eq!(reader.bits(*width), Ok(*value)),
                    Piece::Number(value, k) => prop_assert_eq!(reader.number(*k), Ok(*value)),
                    Piece::Wide(value) => prop_assert_eq!(reader.u128(), Ok(*value)),
                    Piece::Bytes(bytes) => prop_assert_eq!(reader.bytes(bytes.len()), Ok(&bytes[..])),
                }
            }
            prop_assert_eq!(reader.finish(), Ok(()));
        }
    }

    #[test]
    fn small_numbers_are_short() {
        let bits = |value, k| {
            let mut out = Vec::new();
            let mut writer = Writer::new(&mut out);
            writer.number(value, k);
            writer.out.len() as u32 * 8 + writer.count
        };
        assert_eq!(
            [bits(0, 0), bits(1, 0), bits(3, 2), bits(4, 2), bits(255, 8), bits(256, 8)],
            [1, 3, 3, 5, 9, 11]
        );
        assert_eq!(bits(u32::MAX, 0), 65);
    }

    #[test]
    fn too_few_bytes_and_too_great_numbers_are_errors() {
        assert_eq!(Reader::new(&[]).bits(1), Err(StateCodecError::Length));
        assert_eq!(Reader::new(&[0; 4]).number(0), Err(StateCodecError::Length));
        assert_eq!(Reader::new(&[0; 40]).number(0), Err(StateCodecError::Range("number")));
        assert_eq!(Reader::new(&[1, 2]).bytes(3), Err(StateCodecError::Length));
        assert_eq!(Reader::new(&[1]).finish(), Err(StateCodecError::Length));
        let mut reader = Reader::new(&[0b11]);
        assert_eq!((reader.bits(1), reader.finish()), (Ok(1), Err(StateCodecError::Range("padding"))));
    }
}

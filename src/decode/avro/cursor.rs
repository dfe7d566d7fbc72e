//! Avro's binary encoding, one primitive at a time (specification 1.12, "Binary Encoding").

use super::Broken;

/// Values inside values, at most: no table's row comes near it.
const DEEPEST: usize = 64;

/// Elements that take no byte, such as nulls, at most: what a few bytes can claim is bounded.
const EMPTY_ELEMENTS: usize = 1_024;

/// Values that hold others and take no byte themselves, records and what is null in them, at most.
const EMPTY_PARTS: usize = 65_536;

/// What is left of a record.
#[derive(Debug, Clone)]
pub(super) struct Cursor<'a> {
    rest: &'a [u8],
    /// How much deeper values may still lie.
    depth: usize,
    /// How many more values may hold others: a few nested types, each named twice by the next,
    /// would else make a record of no bytes endless.
    parts: usize,
    /// How many more elements arrays and maps may have.
    elements: usize,
}

/// The beginning of a block of an array's or a map's elements.
#[derive(Debug, Clone, Copy)]
pub(super) struct Block {
    pub(super) elements: usize,
    /// How many bytes they take, where the writer says so.
    pub(super) bytes: Option<usize>,
}

impl<'a> Cursor<'a> {
    pub(super) fn new(data: &'a [u8]) -> Self {
        Self {
            rest: data,
            depth: DEEPEST,
            parts: data.len() + EMPTY_PARTS,
            elements: data.len() + EMPTY_ELEMENTS,
        }
    }

    /// Whether everything was read.
    pub(super) fn end(&self) -> Result<(), Broken> {
        match self.rest.len() {
            0 => Ok(()),
            left => Err(Broken::Trailing(left)),
        }
    }

    /// Begins a value inside another.
    pub(super) fn enter(&mut self) -> Result<(), Broken> {
        self.depth = self.depth.checked_sub(1).ok_or(Broken::TooDeep)?;
        self.parts = self.parts.checked_sub(1).ok_or(Broken::TooMany)?;
        Ok(())
    }

    pub(super) fn leave(&mut self) {
        self.depth += 1;
    }

    pub(super) fn take(&mut self, length: usize) -> Result<&'a [u8], Broken> {
        let (taken, rest) = self
            .rest
            .split_at_checked(length)
            .ok_or(Broken::Truncated)?;
        self.rest = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Broken> {
        let (taken, rest) = self.rest.split_first_chunk().ok_or(Broken::Truncated)?;
        self.rest = rest;
        Ok(*taken)
    }

    pub(super) fn boolean(&mut self) -> Result<bool, Broken> {
        match self.array()? {
            [0] => Ok(false),
            [1] => Ok(true),
            [other] => Err(Broken::Boolean(other)),
        }
    }

    /// An `int` or a `long`: the encoding is the same, and so is what becomes of them.
    pub(super) fn long(&mut self) -> Result<i64, Broken> {
        match self.rest.split_first() {
            // Most are short: branches, lengths, small numbers.
            Some((byte, rest)) if *byte < 0x80 => {
                self.rest = rest;
                Ok(zigzag(u64::from(*byte)))
            }
            _ => self.long_of_several_bytes(),
        }
    }

    fn long_of_several_bytes(&mut self) -> Result<i64, Broken> {
        let mut bits = 0_u64;
        for (position, byte) in self.rest.iter().enumerate().take(10) {
            // Of the tenth byte only one bit is left.
            if position == 9 && *byte > 1 {
                return Err(Broken::Number);
            }
            bits |= u64::from(byte & 0x7f) << (7 * position);
            if byte & 0x80 == 0 {
                self.rest = self.rest.get(position + 1..).unwrap_or_default();
                return Ok(zigzag(bits));
            }
        }
        Err(if self.rest.len() < 10 {
            Broken::Truncated
        } else {
            Broken::Number
        })
    }

    pub(super) fn float(&mut self) -> Result<f32, Broken> {
        self.array().map(f32::from_le_bytes)
    }

    pub(super) fn double(&mut self) -> Result<f64, Broken> {
        self.array().map(f64::from_le_bytes)
    }

    pub(super) fn bytes(&mut self) -> Result<&'a [u8], Broken> {
        let length = self.long()?;
        let length = usize::try_from(length).map_err(|_| Broken::Length(length))?;
        self.take(length)
    }

    pub(super) fn text(&mut self) -> Result<&'a str, Broken> {
        std::str::from_utf8(self.bytes()?).map_err(|_| Broken::NotUtf8)
    }

    /// The position of a branch in a union, or of a symbol in an enumeration of `count`.
    pub(super) fn choice(&mut self, count: usize) -> Result<usize, Broken> {
        let chosen = self.long()?;
        usize::try_from(chosen)
            .ok()
            .filter(|chosen| *chosen < count)
            .ok_or(Broken::Choice { chosen, count })
    }

    /// The next block of an array's or map's elements; `None` at its end.
    pub(super) fn block(&mut self) -> Result<Option<Block>, Broken> {
        let count = self.long()?;
        if count == 0 {
            return Ok(None);
        }
        let bytes = if count < 0 {
            let bytes = self.long()?;
            Some(usize::try_from(bytes).map_err(|_| Broken::Length(bytes))?)
        } else {
            None
        };
        let elements = usize::try_from(count.unsigned_abs()).unwrap_or(usize::MAX);
        self.elements = self
            .elements
            .checked_sub(elements)
            .ok_or(Broken::Length(count))?;
        Ok(Some(Block { elements, bytes }))
    }
}

/// The lowest bit is the sign.
fn zigzag(bits: u64) -> i64 {
    (bits >> 1).cast_signed() ^ -(bits & 1).cast_signed()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_zigzag_in_groups_of_seven_bits() {
        for (bytes, number) in [
            (&[0][..], 0),
            (&[1], -1),
            (&[2], 1),
            (&[0x7f], -64),
            (&[0x80, 0x01], 64),
            (
                &[0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1],
                i64::MAX,
            ),
            (
                &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1],
                i64::MIN,
            ),
        ] {
            let mut cursor = Cursor::new(bytes);
            assert_eq!(cursor.long(), Ok(number));
            assert_eq!(cursor.end(), Ok(()));
        }
    }

    #[test]
    fn numbers_that_end_early_or_are_too_long_are_refused() {
        assert_eq!(Cursor::new(&[]).long(), Err(Broken::Truncated));
        assert_eq!(Cursor::new(&[0x80; 9]).long(), Err(Broken::Truncated));
        assert_eq!(Cursor::new(&[0xff; 11]).long(), Err(Broken::Number));
        let too_large = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2];
        assert_eq!(Cursor::new(&too_large).long(), Err(Broken::Number));
    }

    #[test]
    fn lengths_are_checked_before_anything_is_taken() {
        // A text of 2^40 bytes.
        let long = [0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x01, b'a'];
        assert_eq!(Cursor::new(&long).text(), Err(Broken::Truncated));
        assert_eq!(Cursor::new(&[1]).bytes(), Err(Broken::Length(-1)));
        assert_eq!(Cursor::new(&[4, 0xff, 0xfe]).text(), Err(Broken::NotUtf8));
    }

    #[test]
    fn a_few_bytes_can_not_claim_many_elements() {
        let mut cursor = Cursor::new(&[0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x01]);
        assert!(matches!(cursor.block(), Err(Broken::Length(_))));
        let mut cursor = Cursor::new(&[0x03, 0x08]);
        let block = cursor.block().unwrap().unwrap();
        assert_eq!((block.elements, block.bytes), (2, Some(4)));
    }
}

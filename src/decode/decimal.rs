//! Exact decimals: Kafka Connect writes them as big-endian two's complement integers with a scale.

use base64::{Engine, prelude::BASE64_STANDARD};

/// More bytes are refused, because turning them into digits takes time quadratic in their number.
/// That is some 2,400 digits: fewer than PostgreSQL's widest numeric has, more than any price.
const MAX_BYTES: usize = 1_024;

/// The decimal that `encoded`, the base64 of an unscaled integer, stands for at `scale`, in plain
/// notation: `AfQ=` at 2 is `5.00`. `None` when it isn't one.
pub(super) fn from_base64(encoded: &str, scale: i32) -> Option<Box<str>> {
    let bytes = BASE64_STANDARD.decode(encoded).ok()?;
    from_bytes(&bytes, scale)
}

/// The same of the bytes themselves.
pub(super) fn from_bytes(bytes: &[u8], scale: i32) -> Option<Box<str>> {
    let (first, _) = bytes.split_first()?;
    if bytes.len() > MAX_BYTES || scale.unsigned_abs() > 20_000 {
        return None;
    }
    let negative = *first & 0x80 != 0;
    let digits = magnitude(bytes, negative);
    Some(plain(&digits, scale, negative).into())
}

/// The decimal that `text` writes in digits, in plain notation: `1.5E+3` is `1500`. `None` when it
/// isn't one.
pub(super) fn from_digits(text: &str) -> Option<Box<str>> {
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().ok()?),
        None => (text, 0),
    };
    let negative = mantissa.starts_with('-');
    let unsigned = mantissa.strip_prefix(['-', '+']).unwrap_or(mantissa);
    let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, ""));
    let is_number = |digits: &str| digits.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !is_number(whole) || !is_number(fraction) || exponent.abs() > 1_000 {
        return None;
    }
    if exponent == 0 {
        return Some(
            text.strip_prefix('+')
                .unwrap_or(text)
                .trim_end_matches('.')
                .into(),
        );
    }
    let digits = format!("{whole}{fraction}");
    let digits = match digits.trim_start_matches('0') {
        "" => "0",
        digits => digits,
    };
    let scale = i32::try_from(fraction.len()).ok()? - exponent;
    Some(plain(digits, scale, negative).into())
}

/// What a limb of nine digits counts up to.
const LIMB: u64 = 1_000_000_000;

/// The absolute value's decimal digits.
fn magnitude(bytes: &[u8], negative: bool) -> String {
    if bytes.len() <= 16 {
        let fill = if negative { 0xff } else { 0 };
        let mut wide = [fill; 16];
        for (to, from) in wide.iter_mut().rev().zip(bytes.iter().rev()) {
            *to = *from;
        }
        return i128::from_be_bytes(wide).unsigned_abs().to_string();
    }
    // Limbs of nine digits, lowest first; each byte multiplies by 256 and adds.
    let mut limbs: Vec<u64> = vec![0];
    let mut feed = |byte: u8| {
        let mut carry = u64::from(byte);
        for limb in &mut limbs {
            let value = *limb * 256 + carry;
            *limb = value % LIMB;
            carry = value / LIMB;
        }
        if carry > 0 {
            limbs.push(carry);
        }
    };
    if negative {
        // Two's complement: invert, then add one from the lowest byte up.
        let mut inverted: Vec<u8> = bytes.iter().map(|byte| !byte).collect();
        for byte in inverted.iter_mut().rev() {
            let (sum, overflow) = byte.overflowing_add(1);
            *byte = sum;
            if !overflow {
                break;
            }
        }
        inverted.into_iter().for_each(&mut feed);
    } else {
        bytes.iter().copied().for_each(&mut feed);
    }
    let mut digits = String::new();
    for (index, limb) in limbs.iter().rev().enumerate() {
        use std::fmt::Write;
        let written = if index == 0 {
            write!(digits, "{limb}")
        } else {
            write!(digits, "{limb:09}")
        };
        written.expect("writing to a String cannot fail");
    }
    digits
}

fn plain(digits: &str, scale: i32, negative: bool) -> String {
    let mut text = String::with_capacity(digits.len() + 3);
    if negative {
        text.push('-');
    }
    let shift = scale.unsigned_abs() as usize;
    if scale <= 0 {
        text.push_str(digits);
        if digits != "0" {
            text.extend(std::iter::repeat_n('0', shift));
        }
        return text;
    }
    let padded;
    let digits = if digits.len() <= shift {
        padded = format!("{}{digits}", "0".repeat(shift + 1 - digits.len()));
        &padded
    } else {
        digits
    };
    let (whole, fraction) = digits.split_at(digits.len() - shift);
    text.push_str(whole);
    text.push('.');
    text.push_str(fraction);
    text
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_documented_example_is_five() {
        assert_eq!(from_base64("AfQ=", 2).as_deref(), Some("5.00"));
    }

    #[test]
    fn zero_negative_numbers_and_negative_scales_are_exact() {
        assert_eq!(from_base64("AA==", 2).as_deref(), Some("0.00"));
        assert_eq!(from_base64("/w==", 2).as_deref(), Some("-0.01"));
        assert_eq!(from_base64("BQ==", -3).as_deref(), Some("5000"));
    }

    #[test]
    fn digits_are_taken_as_they_are_and_exponents_written_out() {
        for (text, plain) in [
            ("19.90", "19.90"),
            ("-9999999999.99", "-9999999999.99"),
            ("1E+3", "1000"),
            ("-1.5e-3", "-0.0015"),
            ("+7", "7"),
            ("0E-4", "0.0000"),
        ] {
            assert_eq!(from_digits(text).as_deref(), Some(plain), "{text}");
        }
        for text in [
            "", "-", ".", ".5", "1.2.3", "1e", "1e9999", "Iyc=", "0x10", "1 ",
        ] {
            assert_eq!(from_digits(text), None, "{text}");
        }
    }

    #[test]
    fn what_is_no_decimal_is_none() {
        assert_eq!(from_base64("", 2), None);
        assert_eq!(from_base64("n/a", 2), None);
    }

    proptest! {
        #[test]
        fn wide_numbers_have_the_digits_of_narrow_ones(number in any::<i128>(), scale in 0_i32..30) {
            let narrow = number.to_be_bytes();
            let fill = if number < 0 { 0xff } else { 0 };
            let wide = [&[fill; 5][..], &narrow[..]].concat();
            prop_assert_eq!(from_bytes(&wide, scale), from_bytes(&narrow, scale));
        }
    }
}

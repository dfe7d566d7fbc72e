//! Points: from well-known binary to what Qdrant's geo filters read.
//!
//! Debezium writes PostGIS's and MySQL's geometries as an object of `wkb` (base64) and `srid`, and
//! PostgreSQL's own `point` with `x` and `y` beside it. They are kept like that unless a point is
//! asked for by the hint `geo`.

use base64::{Engine, prelude::BASE64_STANDARD};

use crate::record::Value;

/// The geometry type of a point, and the bits by which PostGIS marks further dimensions and a
/// reference system in the type (EWKB).
const POINT: u32 = 1;
const HAS_SRID: u32 = 0x2000_0000;
const HAS_M: u32 = 0x4000_0000;
const HAS_Z: u32 = 0x8000_0000;

/// The point in an object with `x` and `y`, or with `wkb`.
pub(super) fn point_of_object(json: &serde_json::Value) -> Option<Value> {
    let number = |name: &str| json.get(name).and_then(serde_json::Value::as_f64);
    if let (Some(x), Some(y)) = (number("x"), number("y")) {
        return lon_lat(x, y);
    }
    let wkb = json.get("wkb")?.as_str()?;
    point(&BASE64_STANDARD.decode(wkb).ok()?)
}

/// The point in well-known binary, with or without PostGIS's extensions.
pub(super) fn point(wkb: &[u8]) -> Option<Value> {
    let (&order, rest) = wkb.split_first()?;
    let little = match order {
        0 => false,
        1 => true,
        _ => return None,
    };
    let (kind, rest) = rest.split_first_chunk::<4>()?;
    let kind = if little {
        u32::from_le_bytes(*kind)
    } else {
        u32::from_be_bytes(*kind)
    };
    // ISO adds thousands for further dimensions, EWKB sets bits; x and y come first in both.
    if (kind & !(HAS_SRID | HAS_M | HAS_Z)) % 1_000 != POINT {
        return None;
    }
    let rest = if kind & HAS_SRID == 0 {
        rest
    } else {
        rest.get(4..)?
    };
    let number = |bytes: &[u8; 8]| {
        if little {
            f64::from_le_bytes(*bytes)
        } else {
            f64::from_be_bytes(*bytes)
        }
    };
    let (x, rest) = rest.split_first_chunk::<8>()?;
    let (y, _) = rest.split_first_chunk::<8>()?;
    lon_lat(number(x), number(y))
}

/// Only what can be a place: an empty point has no coordinates.
fn lon_lat(lon: f64, lat: f64) -> Option<Value> {
    ((-180.0..=180.0).contains(&lon) && (-90.0..=90.0).contains(&lat))
        .then(|| Value::from_json(serde_json::json!({"lon": lon, "lat": lat})))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    fn wkb(order: u8, kind: u32, srid: Option<u32>, x: f64, y: f64) -> Vec<u8> {
        let mut bytes = vec![order];
        let mut push = |little: &[u8]| {
            let mut part = little.to_vec();
            if order == 0 {
                part.reverse();
            }
            bytes.extend(part);
        };
        push(&kind.to_le_bytes());
        if let Some(srid) = srid {
            push(&srid.to_le_bytes());
        }
        push(&x.to_le_bytes());
        push(&y.to_le_bytes());
        bytes
    }

    #[test]
    fn points_are_read_in_both_byte_orders_and_with_a_reference_system() {
        let place = Value::Json(Box::new(serde_json::json!({"lon": 106.7, "lat": 10.8})));
        for bytes in [
            wkb(1, 1, None, 106.7, 10.8),
            wkb(0, 1, None, 106.7, 10.8),
            wkb(1, 0x2000_0001, Some(4_326), 106.7, 10.8),
            wkb(1, 1_001, None, 106.7, 10.8),
        ] {
            assert_eq!(point(&bytes), Some(place.clone()));
        }
        let object = serde_json::json!({"x": 106.7, "y": 10.8, "wkb": "", "srid": null});
        assert_eq!(point_of_object(&object), Some(place));
    }

    #[test]
    fn what_is_no_point_on_earth_is_none() {
        assert_eq!(point(&[]), None);
        assert_eq!(point(&wkb(1, 2, None, 1.0, 1.0)), None);
        assert_eq!(point(&wkb(1, 1, None, f64::NAN, 1.0)), None);
        assert_eq!(point(&wkb(1, 1, None, 999.0, 1.0)), None);
        assert_eq!(point(wkb(1, 1, None, 1.0, 1.0).get(..12).unwrap()), None);
    }
}

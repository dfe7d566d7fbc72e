//! Whether two providers' vectors say the same: which texts are near to which.

use crate::record::Vector;

/// How many of a text's neighbours are compared.
pub const NEIGHBOURS: usize = 10;

/// How much one provider's vectors agree with another's, over the same texts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Quality {
    /// The texts that have a vector of both.
    pub texts: usize,
    /// How many nearest neighbours of each were compared: [`NEIGHBOURS`], or all others where there are
    /// fewer.
    pub neighbours: usize,
    /// The share of these neighbours that are the same, from 0 to 1; a mean over the texts.
    pub agreement: f64,
    /// What vectors that have nothing to do with each other would agree in.
    pub by_chance: f64,
    /// The mean cosine between the two vectors of a text, where they are of one length. Two models place
    /// the same texts differently, and may be as good: it tells whether both are the same model.
    pub cosine: Option<f64>,
}

/// Compares vectors of the same texts, by the texts' positions. `None` where fewer than two texts have
/// a vector of both. Time and memory grow with the square of their number: 5,000 take 50 MB.
pub fn compare(reference: &[Option<Vector>], other: &[Option<Vector>]) -> Option<Quality> {
    let pairs = reference.iter().zip(other);
    let both: Vec<(Vec<f32>, Vec<f32>)> = pairs
        .filter_map(|(a, b)| Some((unit(a.as_ref()?)?, unit(b.as_ref()?)?)))
        .collect();
    let texts = both.len();
    let others = texts.checked_sub(1).filter(|others| *others > 0)?;
    let neighbours = NEIGHBOURS.min(others);
    let (a, b): (Vec<_>, Vec<_>) = both.into_iter().unzip();
    let same_length = a.iter().zip(&b).all(|(a, b)| a.len() == b.len());
    let cosine = same_length.then(|| {
        let cosines = a.iter().zip(&b).map(|(a, b)| f64::from(dot(a, b)));
        cosines.sum::<f64>() / texts as f64
    });
    let (near_a, near_b) = (nearest(&a, neighbours), nearest(&b, neighbours));
    let shared: usize = near_a
        .iter()
        .zip(&near_b)
        .map(|(a, b)| a.iter().filter(|text| b.contains(text)).count())
        .sum();
    Some(Quality {
        texts,
        neighbours,
        agreement: shared as f64 / (texts * neighbours) as f64,
        by_chance: neighbours as f64 / others as f64,
        cosine,
    })
}

/// The same direction, of length 1; `None` for a vector without direction.
fn unit(vector: &Vector) -> Option<Vec<f32>> {
    let length = vector.floats().map(|it| f64::from(it).powi(2)).sum::<f64>();
    let length = length.sqrt();
    #[allow(clippy::cast_possible_truncation, reason = "vectors are 32-bit floats")]
    let unit = |float: f32| (f64::from(float) / length) as f32;
    (length > 0.0).then(|| vector.floats().map(unit).collect())
}

/// Of each vector the positions of its nearest `count`, without itself.
fn nearest(vectors: &[Vec<f32>], count: usize) -> Vec<Vec<usize>> {
    // Row by row the cosines with all vectors before: each pair is computed once.
    let cosines: Vec<Vec<f32>> = vectors
        .iter()
        .enumerate()
        .map(|(position, vector)| {
            let before = vectors.iter().take(position);
            before.map(|other| dot(vector, other)).collect()
        })
        .collect();
    let cosine = |a: usize, b: usize| {
        let cosine = cosines.get(a.max(b)).and_then(|row| row.get(a.min(b)));
        cosine.copied().unwrap_or_default()
    };
    // Where two are equally near, both providers' are taken in the same order.
    let nearer = |a: &(f32, usize), b: &(f32, usize)| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1));
    let of = |position: usize| {
        let others = (0..vectors.len()).filter(|other| *other != position);
        let mut others: Vec<(f32, usize)> = others
            .map(|other| (cosine(position, other), other))
            .collect();
        if count < others.len() {
            others.select_nth_unstable_by(count, nearer);
            others.truncate(count);
        }
        others.into_iter().map(|(_, other)| other).collect()
    };
    (0..vectors.len()).map(of).collect()
}

fn dot(a: &[f32], b: &[f32]) -> f32 {
    // Sums side by side, so that several products are added at a time.
    const LANES: usize = 8;
    let (a, a_rest) = a.as_chunks::<LANES>();
    let (b, b_rest) = b.as_chunks::<LANES>();
    let mut sums = [0.0; LANES];
    for (a, b) in a.iter().zip(b) {
        for ((sum, a), b) in sums.iter_mut().zip(a).zip(b) {
            *sum += a * b;
        }
    }
    let rest = a_rest.iter().zip(b_rest).map(|(a, b)| a * b);
    sums.into_iter().chain(rest).sum()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn vectors(rows: &[Vec<f32>]) -> Vec<Option<Vector>> {
        let rows = rows.iter();
        rows.map(|row| Some(row.iter().copied().collect()))
            .collect()
    }

    fn cloud(seed: u64, texts: usize, dimensions: usize) -> Vec<Vec<f32>> {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut row = || (0..dimensions).map(|_| random.f32() - 0.5).collect();
        (0..texts).map(|_| row()).collect()
    }

    #[test]
    fn a_model_agrees_with_itself_however_long_its_vectors_are() {
        let rows = cloud(1, 40, 19);
        let longer: Vec<Vec<f32>> = rows
            .iter()
            .map(|row| row.iter().map(|it| it * 3.0).collect())
            .collect();
        let quality = compare(&vectors(&rows), &vectors(&longer)).unwrap();
        assert_eq!((quality.texts, quality.neighbours), (40, NEIGHBOURS));
        assert!((quality.agreement - 1.0).abs() < 1e-9, "{quality:?}");
        assert!((quality.cosine.unwrap() - 1.0).abs() < 1e-5, "{quality:?}");
    }

    #[test]
    fn models_that_have_nothing_in_common_agree_by_chance() {
        let one = vectors(&cloud(1, 200, 16));
        let other = vectors(&cloud(2, 200, 24));
        let quality = compare(&one, &other).unwrap();
        assert!((quality.by_chance - 10.0 / 199.0).abs() < 1e-9);
        assert!(
            (quality.agreement - quality.by_chance).abs() < 0.03,
            "{quality:?}"
        );
        assert_eq!(quality.cosine, None);
    }

    #[test]
    fn one_swapped_neighbour_is_one_less() {
        // On a line, with one neighbour each to look for: 0 and 1, 10 and 11; then 10 moves to 2.
        let angle = |degrees: f32| vec![degrees.to_radians().cos(), degrees.to_radians().sin()];
        let twelve = |moved: f32| {
            let mut rows: Vec<Vec<f32>> = (0..11_u8).map(|it| angle(f32::from(it))).collect();
            rows.push(angle(moved));
            vectors(&rows)
        };
        let quality = compare(&twelve(40.0), &twelve(41.0)).unwrap();
        assert!((quality.agreement - 1.0).abs() < 1e-9, "{quality:?}");
        let quality = compare(&twelve(40.0), &twelve(-40.0)).unwrap();
        // The moved one is far from all either way; from its side all but one neighbour are the same.
        assert!(
            (quality.agreement - (1.0 - 1.0 / 120.0)).abs() < 1e-9,
            "{quality:?}"
        );
    }

    #[test]
    fn texts_that_lack_a_vector_are_left_out() {
        let rows = vectors(&cloud(3, 5, 4));
        let mut other = rows.clone();
        *other.get_mut(2).unwrap() = None;
        let quality = compare(&rows, &other).unwrap();
        assert_eq!((quality.texts, quality.neighbours), (4, 3));
        assert_eq!(compare(&rows[..1], &rows[..1]), None);
        assert_eq!(compare(&rows, &vec![None; 5]), None);
    }

    proptest! {
        #[test]
        fn neighbours_are_those_that_a_sort_finds(seed: u64, texts in 12_usize..40) {
            let rows = cloud(seed, texts, 9);
            let units: Vec<Vec<f32>> = vectors(&rows).iter().map(|it| unit(it.as_ref().unwrap()).unwrap()).collect();
            for (position, mut found) in nearest(&units, NEIGHBOURS).into_iter().enumerate() {
                let mut all: Vec<usize> = (0..texts).filter(|it| *it != position).collect();
                all.sort_by(|a, b| dot(&units[position], &units[*b]).total_cmp(&dot(&units[position], &units[*a])).then(a.cmp(b)));
                let mut expected = all[..NEIGHBOURS].to_vec();
                expected.sort_unstable();
                found.sort_unstable();
                prop_assert_eq!(found, expected);
            }
        }
    }
}

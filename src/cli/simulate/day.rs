//! A day of a shop, decided in advance: what happens to which product, and when. Pure; the same for the same seed.

use std::{collections::BTreeMap, time::Duration};

use fastrand::Rng;
use serde::Serialize;

use super::super::catalogue::{Catalogue, Product};

const HOUR_MS: u64 = 3_600_000;

/// Sentences that editors add to a description.
const SENTENCES: [&str; 4] = [
    "Now in a new edition.",
    "Tested by our own team.",
    "Also available as a gift.",
    "The manual comes in six languages.",
];

/// How busy each hour is, from midnight on: an evening shop's day. Only the proportions count.
const CURVE: [u64; 24] = [
    16, 9, 5, 4, 4, 6, 13, 25, 36, 46, 52, 55, 58, 56, 53, 52, 54, 58, 66, 78, 86, 76, 54, 32,
];

/// What is taken for granted about the shop. None of it is measured: put in your own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(super) struct Assumptions {
    /// Rows of the product table when the day begins.
    pub(super) products: u32,
    /// People who use the shop.
    pub(super) users: u32,
    /// Orders a day for 1,000 users.
    pub(super) orders_per_mille: u32,
}

/// One user in 50 orders on a day.
pub(super) const ORDERS_PER_MILLE: u32 = 20;

/// The hours at which a price wave begins, and how long its prices stay.
const WAVES: [u64; 2] = [10, 20];
const WAVE_HOURS: u64 = 2;

impl Assumptions {
    fn orders(self) -> u64 {
        u64::from(self.users) * u64::from(self.orders_per_mille) / 1_000
    }

    /// Products, of which there is one at least.
    fn share(self, one_in: u32) -> usize {
        (self.products / one_in).max(1) as usize
    }

    /// In words, a line each.
    pub(super) fn lines(self) -> Vec<String> {
        vec![
            format!(
                "{} products, {} users, of whom {} in 1,000 order on a day: {} orders of 1 to 3 lines; each line lowers one stock",
                self.products, self.users, self.orders_per_mille, self.orders()
            ),
            "a few products sell most; what sold out is restocked after 1 to 4 hours".to_owned(),
            "orders follow the hours of an evening shop: the busiest, from 20:00, has 8.7 % of the day".to_owned(),
            format!(
                "price waves at {}:00 and {}:00: 5 % of the products for {WAVE_HOURS} hours, all within a minute; half of the orders' lines go to them",
                WAVES[0], WAVES[1]
            ),
            "from 9:00 to 18:00: texts of 1 % of the products are edited (saved 1 to 3 times), 0.1 % are new, 0.1 % deleted".to_owned(),
            "at 3:00 an import touches 5 % of the rows and changes nothing in them".to_owned(),
        ]
    }
}

/// What happens to a product.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Event {
    /// A line of an order: so many pieces are left.
    Sold(i64, i64),
    /// So many pieces arrived.
    Restocked(i64, i64),
    /// Another price, in hundredths.
    Repriced(i64, i64),
    /// An editor saved the description with this added.
    Edited(i64, String),
    /// Written anew, with the values that it had.
    Touched(i64),
    /// A new row.
    Created(Box<Product>),
    /// No row any more.
    Deleted(i64),
}

/// What kind of event that is, as reports count it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Kind {
    Sold,
    SoldOut,
    Restocked,
    Repriced,
    Edited,
    Touched,
    Created,
    Deleted,
}

impl Event {
    pub(super) fn kind(&self) -> Kind {
        match self {
            Self::Sold(_, 0) => Kind::SoldOut,
            Self::Sold(..) => Kind::Sold,
            Self::Restocked(..) => Kind::Restocked,
            Self::Repriced(..) => Kind::Repriced,
            Self::Edited(..) => Kind::Edited,
            Self::Touched(_) => Kind::Touched,
            Self::Created(_) => Kind::Created,
            Self::Deleted(_) => Kind::Deleted,
        }
    }
}

/// The catalogue as the day begins, and what happens then, by the time since midnight.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Day {
    pub(super) products: Vec<Product>,
    pub(super) events: Vec<(Duration, Event)>,
}

/// What is meant to happen, before it is known what the shop has then.
enum Intent {
    OrderLine,
    WaveBegins(usize, i64),
    WaveEnds(usize, i64),
    Restock(i64),
    Edit(i64),
    Touch(i64),
    Create(Box<Product>),
    Delete(i64),
}

/// The shop while its day is decided.
struct Planner {
    rng: Rng,
    /// What is to come, by milliseconds since midnight; the number keeps apart what is at once.
    agenda: BTreeMap<(u64, u64), Intent>,
    next: u64,
    /// Stock and usual price of each product that there is.
    shelves: BTreeMap<i64, (i64, i64)>,
    /// Those that sell most come first.
    popular: Vec<i64>,
    waves: [Vec<i64>; WAVES.len()],
    events: Vec<(Duration, Event)>,
}

impl Day {
    /// The first `hours` of a day.
    pub(super) fn plan(assumptions: Assumptions, seed: u64, hours: u64) -> Self {
        let count = assumptions.products as usize;
        let new = assumptions.share(1_000);
        let mut products = Catalogue::generate(seed, count + new).products;
        let created = products.split_off(count);
        let mut planner = Planner::new(&products, seed);
        planner.orders(assumptions.orders());
        planner.waves(assumptions.share(20));
        planner.upkeep(assumptions, created);
        planner.play(hours * HOUR_MS);
        Self {
            products,
            events: planner.events,
        }
    }
}

impl Planner {
    fn new(products: &[Product], seed: u64) -> Self {
        let mut rng = Rng::with_seed(seed.wrapping_add(1));
        let mut popular: Vec<i64> = products.iter().map(|product| product.id).collect();
        rng.shuffle(&mut popular);
        Self {
            rng,
            agenda: BTreeMap::new(),
            next: 0,
            shelves: products
                .iter()
                .map(|product| (product.id, (product.stock, product.price_cents)))
                .collect(),
            popular,
            waves: Default::default(),
            events: Vec::new(),
        }
    }

    fn intend(&mut self, at: u64, intent: Intent) {
        self.next += 1;
        self.agenda.insert((at, self.next), intent);
    }

    /// A time between two hours of the day.
    fn between(&mut self, from: u64, to: u64) -> u64 {
        self.rng.u64(from * HOUR_MS..to * HOUR_MS)
    }

    /// Some products, each once.
    fn some(&mut self, count: usize) -> Vec<i64> {
        self.rng
            .choose_multiple(self.popular.iter().copied(), count)
    }

    fn orders(&mut self, orders: u64) {
        let total: u64 = CURVE.iter().sum();
        let mut before = 0;
        for (hour, weight) in (0..).zip(CURVE) {
            // Rounded so that the hours' orders add up to the day's.
            let until = before + weight;
            let in_this_hour = orders * until / total - orders * before / total;
            before = until;
            for _ in 0..in_this_hour {
                let at = self.between(hour, hour + 1);
                for _ in 0..self.rng.u8(1..=3) {
                    self.intend(at, Intent::OrderLine);
                }
            }
        }
    }

    fn waves(&mut self, count: usize) {
        for (wave, hour) in WAVES.into_iter().enumerate() {
            for id in self.some(count) {
                for (at, intent) in [
                    (hour, Intent::WaveBegins(wave, id)),
                    (hour + WAVE_HOURS, Intent::WaveEnds(wave, id)),
                ] {
                    let at = at * HOUR_MS + self.rng.u64(..60_000);
                    // What would end after midnight is the next day's.
                    self.intend(at, intent);
                }
            }
        }
    }

    fn upkeep(&mut self, assumptions: Assumptions, created: Vec<Product>) {
        for id in self.some(assumptions.share(20)) {
            let at = 3 * HOUR_MS + self.rng.u64(..600_000);
            self.intend(at, Intent::Touch(id));
        }
        for id in self.some(assumptions.share(100)) {
            let mut at = self.between(9, 18);
            for _ in 0..self.rng.u8(1..=3) {
                self.intend(at, Intent::Edit(id));
                at += self.rng.u64(1_000..20_000);
            }
        }
        for product in created {
            let at = self.between(9, 18);
            self.intend(at, Intent::Create(Box::new(product)));
        }
        for id in self.some(assumptions.share(1_000)) {
            let at = self.between(9, 18);
            self.intend(at, Intent::Delete(id));
        }
    }

    fn play(&mut self, end: u64) {
        while let Some(((at, _), intent)) = self.agenda.pop_first() {
            if at >= end {
                return;
            }
            if let Some(event) = self.decide(at, intent) {
                self.events.push((Duration::from_millis(at), event));
            }
        }
    }

    fn decide(&mut self, at: u64, intent: Intent) -> Option<Event> {
        match intent {
            Intent::OrderLine => self.sell(at),
            Intent::WaveBegins(wave, id) => {
                let (_, usual) = self.shelves.get(&id)?;
                self.waves.get_mut(wave)?.push(id);
                Some(Event::Repriced(id, usual * 4 / 5))
            }
            Intent::WaveEnds(wave, id) => {
                self.waves.get_mut(wave)?.retain(|it| *it != id);
                let (_, usual) = self.shelves.get(&id)?;
                Some(Event::Repriced(id, *usual))
            }
            Intent::Restock(id) => {
                let pieces = self.rng.i64(12..=144);
                let (stock, _) = self.shelves.get_mut(&id)?;
                *stock = pieces;
                Some(Event::Restocked(id, pieces))
            }
            Intent::Edit(id) => {
                self.shelves.get(&id)?;
                let sentence = self.rng.choice(SENTENCES)?.to_owned();
                Some(Event::Edited(id, sentence))
            }
            Intent::Touch(id) => self.shelves.get(&id).map(|_| Event::Touched(id)),
            Intent::Create(product) => {
                self.shelves
                    .insert(product.id, (product.stock, product.price_cents));
                self.popular.push(product.id);
                Some(Event::Created(product))
            }
            Intent::Delete(id) => self.shelves.remove(&id).map(|_| Event::Deleted(id)),
        }
    }

    /// One line of an order; none where the shopper finds the product gone.
    fn sell(&mut self, at: u64) -> Option<Event> {
        let reduced: Vec<&Vec<i64>> = self.waves.iter().filter(|wave| !wave.is_empty()).collect();
        let reduced = self.rng.choice(reduced).filter(|_| self.rng.bool());
        let id = if let Some(wave) = reduced {
            *self.rng.choice(wave)?
        } else {
            // The cube makes the first hundredth of the products sell a fifth.
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "between 0 and the number of products"
            )]
            let rank = (self.rng.f64().powi(3) * self.popular.len() as f64) as usize;
            *self.popular.get(rank)?
        };
        let pieces = self.rng.i64(1..=2);
        let (stock, _) = self.shelves.get_mut(&id)?;
        if *stock == 0 {
            return None;
        }
        *stock = (*stock - pieces).max(0);
        let left = *stock;
        if left == 0 {
            let later = at + self.rng.u64(HOUR_MS..4 * HOUR_MS);
            self.intend(later, Intent::Restock(id));
        }
        Some(Event::Sold(id, left))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::indexing_slicing, reason = "a test fails by panicking")]

    use super::*;

    const SHOP: Assumptions = Assumptions {
        products: 2_000,
        users: 50_000,
        orders_per_mille: ORDERS_PER_MILLE,
    };

    fn count(day: &Day) -> BTreeMap<Kind, u64> {
        let mut counts = BTreeMap::new();
        for (_, event) in &day.events {
            *counts.entry(event.kind()).or_default() += 1;
        }
        counts
    }

    #[test]
    fn a_seed_is_a_day() {
        assert_eq!(Day::plan(SHOP, 7, 24), Day::plan(SHOP, 7, 24));
        assert_ne!(Day::plan(SHOP, 7, 24).events, Day::plan(SHOP, 8, 24).events);
    }

    #[test]
    fn the_first_hours_of_a_day_are_those_of_the_whole() {
        let (whole, first) = (Day::plan(SHOP, 7, 24), Day::plan(SHOP, 7, 11));
        let until = Duration::from_millis(11 * HOUR_MS);
        let begin: Vec<_> = whole
            .events
            .into_iter()
            .take_while(|it| it.0 < until)
            .collect();
        assert_eq!(begin, first.events);
    }

    #[test]
    fn everything_that_a_shop_does_is_in_a_day_in_the_order_of_time() {
        let day = Day::plan(SHOP, 7, 24);
        assert!(day.events.is_sorted_by_key(|(at, _)| *at));
        let counts = count(&day);
        // 1,000 orders of two lines on average, some of which find nothing.
        let sold = counts[&Kind::Sold] + counts[&Kind::SoldOut];
        assert!((1_700..2_100).contains(&sold), "{counts:?}");
        // Each wave changes a hundred prices; the second one's end is of the day, too.
        assert!((380..=400).contains(&counts[&Kind::Repriced]), "{counts:?}");
        assert!((20..=60).contains(&counts[&Kind::Edited]), "{counts:?}");
        assert_eq!(counts[&Kind::Touched], 100);
        assert_eq!((counts[&Kind::Created], counts[&Kind::Deleted]), (2, 2));
        assert!(counts[&Kind::SoldOut] >= counts[&Kind::Restocked]);
    }

    #[test]
    fn nothing_happens_to_a_product_that_is_gone_and_nothing_that_sold_out_is_sold() {
        let day = Day::plan(SHOP, 7, 24);
        let mut stocks: BTreeMap<i64, i64> =
            day.products.iter().map(|it| (it.id, it.stock)).collect();
        for (_, event) in day.events {
            match event {
                Event::Sold(id, left) => assert!(stocks.insert(id, left) > Some(0)),
                Event::Restocked(id, pieces) => assert_eq!(stocks.insert(id, pieces), Some(0)),
                Event::Created(product) => {
                    assert_eq!(stocks.insert(product.id, product.stock), None);
                }
                Event::Deleted(id) => assert!(stocks.remove(&id).is_some()),
                Event::Repriced(id, _) | Event::Edited(id, _) | Event::Touched(id) => {
                    assert!(stocks.contains_key(&id));
                }
            }
        }
    }

    #[test]
    fn the_evening_is_the_busiest() {
        let orders = |hour: u64| {
            let day = Day::plan(SHOP, 7, 24);
            let events = day.events.into_iter();
            events
                .filter(|(at, event)| {
                    at.as_secs() / 3_600 == hour && matches!(event, Event::Sold(..))
                })
                .count()
        };
        assert!(orders(20) > 5 * orders(3).max(1));
    }
}

//! Texts that are embedded in chunks.

use super::*;
use crate::tokens::Chunking;

/// Chunks of two tokens.
fn settings_with(most: u32, batch_inputs: usize) -> Settings {
    Settings {
        model: "text-embedding-3-small".into(),
        input_limit: InputLimit::Chunk(Chunking {
            longest: 2,
            overlap: 0,
            most,
        }),
        batch_inputs,
        ..settings()
    }
}

const LONG: &str = "hello world, and more";
const CHUNKS: [&str; 3] = ["hello world", ", and", "more"];

/// The vector of a text of these chunks, as [`Desk::accept`] answers it.
#[allow(clippy::unnecessary_wraps, reason = "it is compared with replies")]
fn vector(chunks: &[&str]) -> Result<Vec<f32>, String> {
    Ok(chunks.iter().map(|chunk| chunk.len() as f32).collect())
}

#[test]
fn a_split_text_is_answered_once_when_all_its_chunks_are_in_their_order() {
    let mut desk = Desk::new(&settings_with(4, 2));
    desk.ask(1, LONG);
    let first = desk.sent();
    assert_eq!(texts(&first), CHUNKS[..2]);
    let second = desk.sent_later();
    assert_eq!(texts(&second), CHUNKS[2..]);
    desk.accept(second);
    assert_eq!(desk.replied(), BTreeMap::new());
    desk.accept(first);
    assert_eq!(desk.replied(), BTreeMap::from([(1, vector(&CHUNKS))]));
    assert!(desk.schedule.batcher.is_idle());
    assert_eq!(desk.metrics.chunked.get(), 1);
    assert_eq!(desk.metrics.truncated.get(), 0);
    assert_eq!(desk.metrics.inputs.get(), 3);
}

#[test]
fn a_short_text_is_a_multivector_of_one() {
    let mut desk = Desk::new(&settings_with(4, 4));
    desk.ask(1, "red");
    let call = desk.sent_later();
    desk.accept(call);
    let reply = desk.replies.try_recv().unwrap();
    let red = Vector::from_iter([3.0]);
    assert_eq!(reply.outcome, Ok(PointVector::Multi([red].into())));
    assert_eq!(desk.metrics.chunked.get(), 0);
}

#[test]
fn chunks_and_texts_that_are_the_same_are_bought_once_for_all() {
    let mut desk = Desk::new(&settings_with(9, 8));
    desk.ask(1, LONG);
    desk.ask(2, "hello world");
    desk.ask(3, "hello world, and more, and");
    let call = desk.sent_later();
    assert_eq!(
        texts(&call),
        ["hello world", ", and", "more", "more,", "and"]
    );
    let bought = desk.schedule.bought(&call);
    let purposes: Vec<usize> = bought.iter().map(|it| it.purposes.len()).collect();
    assert_eq!(purposes, [3, 2, 1, 1, 1]);
    desk.accept(call);
    let replied = desk.replied();
    assert_eq!(replied[&1], vector(&CHUNKS));
    assert_eq!(replied[&2], vector(&CHUNKS[..1]));
    assert_eq!(
        replied[&3],
        vector(&["hello world", ", and", "more,", "and"])
    );
}

#[test]
fn what_is_behind_the_most_chunks_is_not_sent_and_is_counted() {
    let mut desk = Desk::new(&settings_with(2, 8));
    desk.ask(1, LONG);
    let call = desk.sent_later();
    assert_eq!(texts(&call), CHUNKS[..2]);
    desk.accept(call);
    assert_eq!(desk.replied(), BTreeMap::from([(1, vector(&CHUNKS[..2]))]));
    assert_eq!(desk.metrics.truncated.get(), 1);
}

#[test]
fn a_refused_chunk_refuses_its_text_and_no_other_and_the_rest_of_it_is_not_sent() {
    let mut desk = Desk::new(&settings_with(9, 2));
    desk.ask(1, LONG);
    desk.ask(2, "red");
    let mut call = desk.sent();
    // Halved until the culprit is alone.
    while call.texts.len() > 1 || texts(&call) != [", and"] {
        if texts(&call).contains(&", and") {
            desk.refuse(call, refused());
        } else {
            desk.accept(call);
        }
        desk.pass(SECOND);
        call = desk.sent();
    }
    desk.refuse(call, refused());
    let refusal = Err("chunk 2 of 3: too long".to_owned());
    assert_eq!(desk.replied(), BTreeMap::from([(1, refusal)]));
    desk.pass(SECOND);
    let call = desk.sent();
    assert_eq!(texts(&call), ["red"]);
    desk.accept(call);
    assert_eq!(desk.replied(), BTreeMap::from([(2, vector(&["red"]))]));
    assert!(desk.schedule.batcher.is_idle());
}

#[test]
fn a_split_text_that_nobody_wants_any_more_is_not_sent_and_what_is_under_way_hurts_nobody() {
    let mut desk = Desk::new(&settings_with(4, 2));
    desk.ask(1, LONG);
    let call = desk.sent();
    desk.forget(1);
    assert_eq!(desk.quiet(), Some(LINGER));
    desk.pass(LINGER);
    assert_eq!(desk.quiet(), None);
    desk.accept(call);
    assert_eq!(desk.replied(), BTreeMap::new());
    assert!(desk.schedule.batcher.is_idle());
}

#[test]
fn a_text_is_sent_when_its_last_chunk_is_and_paid_for_from_the_first() {
    let mut desk = Desk::new(&settings_with(4, 2));
    desk.ask(1, LONG);
    assert!(!desk.wishes[&1].is_partly_sent());
    let _first = desk.sent();
    // As a chunk of theirs is under way, so that they can be parked.
    desk.ask(2, "hello world, or less");
    assert!(desk.wishes[&1].is_partly_sent() && !desk.wishes[&1].is_under_way());
    assert!(desk.wishes[&2].is_partly_sent() && !desk.wishes[&2].is_under_way());
    let second = desk.sent();
    assert_eq!(texts(&second), ["more", ", or"]);
    assert!(desk.wishes[&1].is_under_way());
    assert!(!desk.wishes[&2].is_under_way());
}

use super::*;
use crate::record::{
    Document, KnownPoint, PayloadHash, SourcePosition, TextHash, Tombstone, Value,
};

const TOPIC: &str = "shop.products";

fn partition() -> TopicPartition {
    TopicPartition {
        topic: TOPIC.into(),
        partition: 2,
    }
}

fn model() -> Fingerprint {
    Fingerprint::new("m", 4, "http://localhost")
}

fn document(title: &str, stock: i64) -> Document {
    let payload: Payload = vec![
        ("stock".into(), Value::Int(stock)),
        ("title".into(), Value::String(title.into())),
    ]
    .into();
    Document {
        text: title.into(),
        text_hash: TextHash::of_text(title),
        payload_hash: PayloadHash::of(format!("{title} {stock}").as_bytes()),
        payload,
        source_columns: Payload::default(),
        version: None,
    }
}

fn last(offset: i64, desired: Result<Desired, Failure>) -> Last {
    Last {
        partition: partition(),
        position: Position {
            offset: Offset(offset),
            timestamp_ms: offset,
            commit_ms: Some(offset),
            source: Some(SourcePosition(offset)),
        },
        desired,
        is_new: false,
    }
}

fn row(offset: i64, title: &str, stock: i64) -> Last {
    last(offset, Ok(Desired::Row(Box::new(document(title, stock)))))
}

fn point(offset: i64, title: &str, stock: i64) -> FoundPoint {
    let document = document(title, stock);
    let stored = Stored {
        topic: TOPIC.into(),
        partition: 2,
        position: Position {
            offset: Offset(offset),
            timestamp_ms: offset,
            commit_ms: Some(offset),
            source: None,
        },
        key: "[17]".into(),
        text_hash: Some(document.text_hash),
        wanted: None,
        payload_hash: document.payload_hash,
        fingerprint: model().shared(),
        version: None,
        source_columns: Payload::default(),
        parked: None,
    };
    FoundPoint {
        payload: document.payload.clone(),
        has_vector: true,
        bookkeeping: Bookkeeping::Row(Box::new(KnownPoint {
            epoch: None,
            stored,
            payload: document.payload,
        })),
    }
}

fn verdict(last: &Last, point: Option<&FoundPoint>) -> Verdict {
    judge(last, point, None, &model(), &Ignored::default())
}

fn act(verdict: Verdict) -> (Plan, Vec<Reason>, Vec<String>) {
    match verdict {
        Verdict::Act {
            plan,
            reasons,
            differences,
        } => {
            let fields = differences.into_iter().map(|it| it.field).collect();
            (plan, reasons, fields)
        }
        other => unreachable!("{other:?}"),
    }
}

#[test]
fn a_point_that_says_what_the_record_says_needs_nothing() {
    let held = point(40, "Tent", 3);
    assert_eq!(verdict(&row(40, "Tent", 3), Some(&held)), Verdict::Nothing);
    assert_eq!(verdict(&row(41, "Tent", 3), Some(&held)), Verdict::Nothing);
    assert_eq!(
        verdict(&last(41, Ok(Desired::Gone)), None),
        Verdict::Nothing
    );
    assert!(!Verdict::Nothing.differs());
}

#[test]
fn what_differs_is_named_with_what_would_be_done_about_it() {
    let held = point(40, "Tent", 3);
    assert_eq!(
        act(verdict(&row(41, "Tent", 0), Some(&held))),
        (Plan::Patch, vec![Reason::Payload], vec!["stock".to_owned()])
    );
    assert_eq!(
        act(verdict(&row(41, "Tarp", 3), Some(&held))),
        (
            Plan::PatchThenEmbed,
            vec![Reason::Payload, Reason::Text],
            vec!["title".to_owned()]
        )
    );
    assert_eq!(
        act(verdict(&row(41, "Tent", 3), None)),
        (Plan::Embed, vec![Reason::NoPoint], Vec::new())
    );
    assert_eq!(
        act(verdict(&last(41, Ok(Desired::Gone)), Some(&held))),
        (Plan::Delete, vec![Reason::Gone], Vec::new())
    );
}

#[test]
fn a_vector_of_another_model_is_bought_anew() {
    let other = Fingerprint::new("other", 4, "http://localhost");
    let held = point(40, "Tent", 3);
    let verdict = judge(
        &row(40, "Tent", 3),
        Some(&held),
        None,
        &other,
        &Ignored::default(),
    );
    let reason = Reason::OtherModel(model().as_str().to_owned());
    assert_eq!(act(verdict), (Plan::Embed, vec![reason], Vec::new()));
}

#[test]
fn a_record_from_before_what_the_index_holds_is_a_replay() {
    let held = point(40, "Tent", 3);
    assert_eq!(verdict(&row(39, "Tarp", 0), Some(&held)), Verdict::Replay);
    assert_eq!(
        verdict(&last(39, Ok(Desired::Gone)), Some(&held)),
        Verdict::Replay
    );
}

#[test]
fn a_point_that_stands_for_a_deleted_row_is_no_point_of_the_row() {
    let deleted = FoundPoint {
        payload: Payload::default(),
        has_vector: false,
        bookkeeping: Bookkeeping::Tombstone(Box::new(Tombstone {
            topic: TOPIC.into(),
            partition: 2,
            position: Position {
                offset: Offset(40),
                timestamp_ms: 40,
                commit_ms: None,
                source: None,
            },
            key: "[17]".into(),
            deleted_ms: 41,
        })),
    };
    let gone = last(40, Ok(Desired::Gone));
    assert_eq!(verdict(&gone, Some(&deleted)), Verdict::Nothing);
    assert_eq!(
        verdict(&row(39, "Tent", 3), Some(&deleted)),
        Verdict::Replay
    );
    let (plan, reasons, _) = act(verdict(&row(41, "Tent", 3), Some(&deleted)));
    assert_eq!((plan, reasons), (Plan::Embed, vec![Reason::NoPoint]));
}

#[test]
fn a_row_from_before_a_truncate_is_a_deleted_one() {
    let mark = TruncateMark {
        source: Some(SourcePosition(50)),
        commit_ms: 50,
    };
    let held = point(40, "Tent", 3);
    let verdict = judge(
        &row(40, "Tent", 3),
        Some(&held),
        Some(&mark),
        &model(),
        &Ignored::default(),
    );
    let (plan, reasons, _) = act(verdict);
    assert_eq!((plan, reasons), (Plan::Delete, vec![Reason::Truncated]));
}

#[test]
fn a_created_row_is_written_over_a_point_from_before() {
    let mut created = row(41, "Tent", 3);
    created.is_new = true;
    let (plan, reasons, _) = act(verdict(&created, Some(&point(40, "Tent", 3))));
    assert_eq!((plan, reasons), (Plan::Patch, vec![Reason::CreatedSince]));
    let held = point(41, "Tent", 3);
    assert_eq!(verdict(&created, Some(&held)), Verdict::Nothing);
}

#[test]
fn fields_that_somebody_else_changed_are_found_behind_equal_hashes() {
    let mut held = point(40, "Tent", 3);
    held.payload = document("Tent", 99).payload;
    let Verdict::Altered(differences) = verdict(&row(40, "Tent", 3), Some(&held)) else {
        unreachable!("the hashes are equal")
    };
    let fields: Vec<&str> = differences.iter().map(|it| it.field.as_str()).collect();
    assert_eq!(fields, ["stock"]);

    let foreign = FoundPoint {
        bookkeeping: Bookkeeping::None,
        ..point(40, "Tent", 3)
    };
    let (_, reasons, _) = act(verdict(&row(41, "Tent", 3), Some(&foreign)));
    assert_eq!(reasons, [Reason::Foreign]);
}

#[test]
fn what_can_t_be_processed_is_dead_lettered_or_held() {
    let fault = Failure::record("empty_text", "no text");
    let blocked = Failure::blocked("missing_column", "no column");
    let held = point(40, "Tent", 3);
    assert_eq!(
        verdict(&last(41, Err(fault.clone())), Some(&held)),
        Verdict::DeadLetter(fault)
    );
    assert_eq!(
        verdict(&last(41, Err(blocked.clone())), Some(&held)),
        Verdict::Hold(blocked)
    );
}

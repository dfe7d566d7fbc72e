//! `kill -9`: this test binary starts itself as a server, writes to it, and kills it.

use std::{
    io::{BufRead, BufReader, Write},
    process::{Child, Command, Stdio},
};

use qdrant_client::{
    Qdrant,
    qdrant::{DeletePointsBuilder, PointsIdsList},
};
use serde_json::json;
use vectide_embedded::qdrant::Storage;

use crate::support::{
    COLLECTION, Server, client, create_collection, get, payload_of, point, upsert,
};

/// Set for the child: the folder it serves.
const FOLDER: &str = "VECTIDE_TEST_QDRANT_FOLDER";
const READY: &str = "listening on ";

/// Not a test of its own: the process to be killed. Without [`FOLDER`] it does nothing.
#[tokio::test]
async fn serve_until_killed() {
    let Some(folder) = std::env::var_os(FOLDER) else {
        return;
    };
    let server = Server::start(Storage::Folder(folder.into())).await;
    // Not `println!`, which the test harness captures.
    writeln!(std::io::stdout(), "{READY}{}", server.qdrant.url()).unwrap();
    std::future::pending::<()>().await;
}

struct Victim {
    process: Child,
    client: Qdrant,
}

impl Victim {
    fn start(folder: &std::path::Path) -> Self {
        let mut process = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "kill::serve_until_killed", "--nocapture"])
            .env(FOLDER, folder)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let url = BufReader::new(process.stdout.take().unwrap())
            .lines()
            .find_map(|line| Some(line.unwrap().split_once(READY)?.1.to_owned()))
            .unwrap();
        Self {
            process,
            client: client(&url),
        }
    }
}

impl Drop for Victim {
    fn drop(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

const ROUNDS: u64 = 3;
const POINTS_A_ROUND: u64 = 500;
const DELETED_A_ROUND: u64 = 20;

fn ids_of(round: u64) -> std::ops::Range<u64> {
    round * POINTS_A_ROUND..(round + 1) * POINTS_A_ROUND
}

fn deleted_of(round: u64) -> std::ops::Range<u64> {
    let first = ids_of(round).start;
    first..first + DELETED_A_ROUND
}

/// Writes and deletes, every call answered, and leaves one write in the air.
async fn write(client: &Qdrant, round: u64) -> tokio::task::JoinHandle<()> {
    let points: Vec<_> = ids_of(round)
        .map(|id| point(id, [1.0, id as f32, 0.0, 0.0], json!({"id": id})))
        .collect();
    for batch in points.chunks(25) {
        client.upsert_points(upsert(batch)).await.unwrap();
    }
    let deleted = PointsIdsList {
        ids: deleted_of(round).map(Into::into).collect(),
    };
    client
        .delete_points(
            DeletePointsBuilder::new(COLLECTION)
                .points(deleted)
                .wait(true),
        )
        .await
        .unwrap();
    let client = client.clone();
    tokio::spawn(async move {
        let unanswered = point(u64::MAX, [1.0; 4], json!({}));
        client.upsert_points(upsert([unanswered])).await.ok();
    })
}

#[tokio::test]
async fn a_killed_process_loses_no_answered_write() {
    let folder = tempfile::tempdir().unwrap();
    for round in 0..ROUNDS {
        let victim = Victim::start(folder.path());
        if round == 0 {
            create_collection(&victim.client, 4).await;
        }
        let in_flight = write(&victim.client, round).await;
        drop(victim);
        in_flight.await.unwrap();
    }

    let server = Server::start(Storage::Folder(folder.path().to_owned())).await;
    for round in 0..ROUNDS {
        for id in ids_of(round) {
            let found = get(&server.client, id).await;
            if deleted_of(round).contains(&id) {
                assert!(found.is_none(), "{id} is back");
                continue;
            }
            let found = found.unwrap_or_else(|| panic!("{id} is lost"));
            assert_eq!(payload_of(&found.payload), json!({"id": id}));
            assert!(found.vectors.is_some(), "{id} has no vector");
        }
    }
    server.qdrant.shutdown().await;
}

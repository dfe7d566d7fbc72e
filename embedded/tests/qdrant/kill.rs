//! `kill -9`: this test binary starts itself as a server, writes to it, and kills it.

use std::{
    io::{BufRead, BufReader, Write},
    process::{Child, Command, Stdio},
};

use qdrant_client::Qdrant;
use serde_json::json;
use vectide_embedded::qdrant::Storage;

use crate::support::{COLLECTION, Server, client, create_collection, point, upsert};

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

#[tokio::test]
async fn a_killed_process_loses_no_answered_write() {
    let folder = tempfile::tempdir().unwrap();
    let mut answered = 0_u64;
    for round in 0..3 {
        let victim = Victim::start(folder.path());
        if round == 0 {
            create_collection(&victim.client, 4).await;
        }
        let info = victim.client.collection_info(COLLECTION).await.unwrap();
        assert!(
            info.result.unwrap().points_count >= Some(answered),
            "round {round}"
        );
        for _ in 0..20 {
            let points: Vec<_> = (answered..answered + 25)
                .map(|id| {
                    point(
                        id,
                        [1.0, id as f32, 0.0, 0.0],
                        json!({"id": id, "round": round}),
                    )
                })
                .collect();
            victim.client.upsert_points(upsert(points)).await.unwrap();
            answered += 25;
        }
        // And one that is in the air.
        let in_flight = tokio::spawn({
            let client = victim.client.clone();
            async move {
                client
                    .upsert_points(upsert([point(u64::MAX, [1.0; 4], json!({}))]))
                    .await
            }
        });
        drop(victim);
        in_flight.await.unwrap().ok();
    }

    let server = Server::start(Storage::Folder(folder.path().to_owned())).await;
    for id in 0..answered {
        let found = crate::support::get(&server.client, id).await.unwrap();
        assert_eq!(crate::support::payload_of(&found.payload)["id"], json!(id));
        assert!(found.vectors.is_some(), "{id}");
    }
    server.qdrant.shutdown().await;
}

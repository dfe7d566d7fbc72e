//! Members that are killed: the whole program as a process, which can't notice.

use std::{
    fs::File,
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use fastrand::Rng;
use futures_util::future::join_all;

use crate::{capture::ALL, fixtures, order, replay::Replay};

/// How often a member is killed in one replay.
const KILLS: usize = 3;

/// A member as a process; it is killed when dropped.
struct Member(Child);

impl Member {
    fn start(folder: &Path, configuration: &str) -> Self {
        let file = folder.join("vectide.toml");
        std::fs::write(&file, configuration).unwrap();
        let log = File::options()
            .create(true)
            .append(true)
            .open(folder.join("log"))
            .unwrap();
        let child = Command::new(env!("CARGO_BIN_EXE_vectide"))
            .arg("run")
            .arg("--config")
            .arg(&file)
            .current_dir(folder)
            .env_clear()
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        Self(child)
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_that_is_killed_and_started_again_loses_nothing_and_brings_nothing_back() {
    if fixtures::folder().is_none() {
        return;
    }
    let replays = (0..3).map(|seed| tokio::spawn(with_kills(seed)));
    for (seed, result) in join_all(replays).await.into_iter().enumerate() {
        assert!(result.is_ok(), "with seed {seed}, see above");
    }
}

async fn with_kills(seed: u64) {
    let folder = tempfile::tempdir().unwrap();
    let mut random = Rng::with_seed(seed);
    let mut replay = Replay::open(&ALL).await;
    let configuration = replay.configuration();
    let mut runs = order::interleaved(replay.records(), &mut random).into_iter();
    let share = runs.len() / (KILLS + 1);
    for _ in 0..KILLS {
        let member = Member::start(folder.path(), &configuration);
        // It is killed while it works, at a random point of what it was given.
        let before = replay.committed().await;
        replay.produce(runs.by_ref().take(share).flatten()).await;
        let aim = random.i64(before..replay.produced());
        let log = || std::fs::read_to_string(folder.path().join("log")).unwrap();
        let start = Instant::now();
        while replay.committed().await < aim {
            let patience = start.elapsed() < Duration::from_mins(1);
            assert!(patience, "the member does nothing; its log:\n{}", log());
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        drop(member);
    }
    let _member = Member::start(folder.path(), &configuration);
    replay.produce(runs.flatten()).await;
    replay.equal().await;
}

//! Aliases stand for their collection wherever a name is taken.

use qdrant_client::qdrant::{CountPointsBuilder, CreateAlias, RenameAlias, UpsertPointsBuilder};
use serde_json::json;
use tonic::Code;

use crate::support::{COLLECTION, Server, bare_point, refused};

fn alias(alias_name: &str, collection_name: &str) -> CreateAlias {
    CreateAlias {
        alias_name: alias_name.to_owned(),
        collection_name: collection_name.to_owned(),
    }
}

#[tokio::test]
async fn a_client_reads_and_writes_through_an_alias() {
    let server = Server::with_collection().await;
    let client = &server.client;
    client
        .create_alias(alias("live", COLLECTION))
        .await
        .unwrap();

    client
        .upsert_points(UpsertPointsBuilder::new("live", [bare_point(1, json!({}))]).wait(true))
        .await
        .unwrap();
    let count = client
        .count(CountPointsBuilder::new(COLLECTION))
        .await
        .unwrap();
    assert_eq!(count.result.unwrap().count, 1);
    assert!(client.collection_exists("live").await.unwrap());
    assert!(client.collection_info("live").await.is_ok());
}

#[tokio::test]
async fn aliases_are_listed_renamed_and_deleted() {
    let server = Server::with_collection().await;
    let client = &server.client;
    client
        .create_alias(alias("blue", COLLECTION))
        .await
        .unwrap();
    client
        .rename_alias(RenameAlias {
            old_alias_name: "blue".to_owned(),
            new_alias_name: "green".to_owned(),
        })
        .await
        .unwrap();

    let all = client.list_aliases().await.unwrap().aliases;
    assert_eq!(all.len(), 1);
    assert_eq!(
        (all[0].alias_name.as_str(), all[0].collection_name.as_str()),
        ("green", COLLECTION)
    );
    let own = client
        .list_collection_aliases(COLLECTION)
        .await
        .unwrap()
        .aliases;
    assert_eq!(own, all);

    client.delete_alias("green").await.unwrap();
    assert!(client.list_aliases().await.unwrap().aliases.is_empty());
}

#[tokio::test]
async fn an_alias_goes_with_its_collection() {
    let server = Server::with_collection().await;
    let client = &server.client;
    client
        .create_alias(alias("live", COLLECTION))
        .await
        .unwrap();
    client.delete_collection(COLLECTION).await.unwrap();
    assert!(client.list_aliases().await.unwrap().aliases.is_empty());
}

#[tokio::test]
async fn an_alias_of_nothing_is_refused() {
    let server = Server::in_memory().await;
    assert_eq!(
        refused(server.client.create_alias(alias("live", "absent")).await),
        (
            Code::NotFound,
            "Not found: Collection `absent` doesn't exist!".to_owned()
        )
    );
}

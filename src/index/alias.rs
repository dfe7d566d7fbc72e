//! Aliases: names that searchers use, and that are moved from one collection to another at once.

use qdrant_client::qdrant::{
    AliasOperations, ChangeAliases, CreateAlias, DeleteAlias, ListAliasesRequest,
    alias_operations::Action,
};

use crate::error::Failure;

use super::Client;

/// The collection that `alias` means; `None` where it is no alias.
pub async fn meaning(client: &Client, alias: &str) -> Result<Option<String>, Failure> {
    let mut collections = client.collections();
    let answer = collections.list_aliases(ListAliasesRequest {}).await;
    let answer = answer.map_err(|error| client.failure(&error, alias))?;
    let mut aliases = answer.into_inner().aliases.into_iter();
    let found = aliases.find(|it| it.alias_name == alias);
    Ok(found.map(|it| it.collection_name))
}

/// Makes `alias` mean `collection`, in one call: whoever searches finds what it meant `before`, or the
/// other, and never nothing.
pub async fn move_to(
    client: &Client,
    alias: &str,
    before: Option<&str>,
    collection: &str,
) -> Result<(), Failure> {
    let delete = before.map(|_| {
        Action::DeleteAlias(DeleteAlias {
            alias_name: alias.to_owned(),
        })
    });
    let create = Action::CreateAlias(CreateAlias {
        collection_name: collection.to_owned(),
        alias_name: alias.to_owned(),
    });
    let actions = delete.into_iter().chain([create]).map(|action| {
        let action = Some(action);
        AliasOperations { action }
    });
    let changes = ChangeAliases {
        actions: actions.collect(),
        timeout: None,
    };
    let answer = client.collections().update_aliases(changes).await;
    answer.map_err(|error| {
        client.failure_of_no_record(&error, collection, "alias", "the alias can't be moved")
    })?;
    Ok(())
}

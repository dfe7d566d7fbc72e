//! All collections and their aliases, in one folder.
//!
//! ```text
//! <folder>/aliases.json             {"alias": "collection", ...}
//! <folder>/collections/<name>/...   the engine's files and the journal
//! ```

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard},
};

use qdrant_client::qdrant::{AliasOperations, alias_operations::Action};
use qdrant_edge::EdgeConfig;
use tempfile::TempDir;
use tonic::Status;

use super::{
    StartError, Storage,
    collection::Collection,
    error::{bad_input, collection_exists, internal, invalid_field, no_collection, not_found},
};

const COLLECTIONS_FOLDER: &str = "collections";
const ALIASES_FILE: &str = "aliases.json";

/// The server's rule for names, which become folders.
const MAX_NAME_BYTES: usize = 255;
const INVALID_NAME_CHARS: [char; 11] =
    ['<', '>', ':', '"', '/', '\\', '|', '?', '*', '\0', '\u{1F}'];

#[derive(Debug)]
pub(super) struct Store {
    folder: PathBuf,
    durable: bool,
    catalog: RwLock<Catalog>,
    /// The folder, where it is private: gone when the store is closed. The last field, so that it
    /// outlives the engines where the store is only dropped: they flush when they are.
    temporary: Mutex<Option<TempDir>>,
}

#[derive(Debug, Default)]
struct Catalog {
    collections: BTreeMap<String, Arc<Collection>>,
    aliases: BTreeMap<String, String>,
}

impl Store {
    /// Opens what is in the folder. Blocks.
    pub(super) fn open(storage: Storage) -> Result<Self, StartError> {
        let (folder, temporary) = match storage {
            Storage::Memory => {
                let temporary = tempfile::Builder::new()
                    .prefix("vectide-qdrant-")
                    .tempdir()
                    .map_err(|source| StartError::Folder {
                        folder: std::env::temp_dir(),
                        source,
                    })?;
                (temporary.path().to_owned(), Some(temporary))
            }
            Storage::Folder(folder) => (folder, None),
        };
        let durable = temporary.is_none();
        let catalog = Catalog::open(&folder, durable)?;
        Ok(Self {
            folder,
            durable,
            catalog: RwLock::new(catalog),
            temporary: Mutex::new(temporary),
        })
    }

    /// The collection of this name or alias.
    pub(super) fn collection(&self, name: &str) -> Result<Arc<Collection>, Status> {
        let catalog = self.catalog();
        let resolved = catalog.aliases.get(name).map_or(name, String::as_str);
        catalog
            .collections
            .get(resolved)
            .cloned()
            .ok_or_else(|| no_collection(name))
    }

    /// Names of all collections, sorted.
    pub(super) fn names(&self) -> Vec<String> {
        self.catalog().collections.keys().cloned().collect()
    }

    /// Every alias with its collection, sorted by alias.
    pub(super) fn aliases(&self) -> Vec<(String, String)> {
        self.catalog().aliases.clone().into_iter().collect()
    }

    /// Makes an empty collection.
    pub(super) fn create(&self, name: &str, config: EdgeConfig) -> Result<(), Status> {
        check_name("collection_name", name)?;
        let mut catalog = self.catalog_mut();
        if catalog.collections.contains_key(name) {
            return Err(collection_exists(name));
        }
        if catalog.aliases.contains_key(name) {
            return Err(bad_input(format!(
                "Can't create collection with name {name}. Alias with the same name already exists"
            )));
        }
        let folder = self.folder.join(COLLECTIONS_FOLDER).join(name);
        let collection = Collection::create(name, folder, config, self.durable)
            .map_err(|error| internal(error.to_string()))?;
        catalog
            .collections
            .insert(name.to_owned(), Arc::new(collection));
        Ok(())
    }

    /// Deletes a collection and its aliases; `false` if there is none of this name.
    pub(super) fn delete(&self, name: &str) -> Result<bool, Status> {
        let mut catalog = self.catalog_mut();
        let Some(collection) = catalog.collections.remove(name) else {
            return Ok(false);
        };
        catalog.aliases.retain(|_, collection| collection != name);
        self.save_aliases(&catalog.aliases)?;
        collection.delete()?;
        Ok(true)
    }

    /// Changes aliases: all of the changes or, where one is refused, none.
    pub(super) fn change_aliases(&self, changes: Vec<AliasOperations>) -> Result<(), Status> {
        let mut catalog = self.catalog_mut();
        let mut aliases = catalog.aliases.clone();
        for change in changes {
            let action = change
                .action
                .ok_or_else(|| Status::invalid_argument("Malformed AliasOperation type"))?;
            match action {
                Action::CreateAlias(create) => {
                    check_name("alias_name", &create.alias_name)?;
                    if !catalog.collections.contains_key(&create.collection_name) {
                        return Err(no_collection(&create.collection_name));
                    }
                    if catalog.collections.contains_key(&create.alias_name) {
                        return Err(collection_exists(&create.alias_name));
                    }
                    aliases.insert(create.alias_name, create.collection_name);
                }
                Action::RenameAlias(rename) => {
                    check_name("new_alias_name", &rename.new_alias_name)?;
                    let collection = aliases.remove(&rename.old_alias_name).ok_or_else(|| {
                        not_found(format!("Alias {} does not exists!", rename.old_alias_name))
                    })?;
                    aliases.insert(rename.new_alias_name, collection);
                }
                Action::DeleteAlias(delete) => {
                    aliases.remove(&delete.alias_name);
                }
            }
        }
        self.save_aliases(&aliases)?;
        catalog.aliases = aliases;
        Ok(())
    }

    /// Does what is due in each collection. Blocks.
    pub(super) fn upkeep(&self) {
        let collections: Vec<_> = self.catalog().collections.clone().into_iter().collect();
        for (name, collection) in collections {
            match collection.upkeep() {
                // Deleted in between.
                Err(status) if status.code() == tonic::Code::NotFound => {}
                Err(error) => tracing::error!(collection = name, %error, "upkeep failed"),
                Ok(()) => {}
            }
        }
    }

    /// Flushes and closes everything; removes a private folder. Blocks.
    pub(super) fn close(&self) {
        for (name, collection) in &self.catalog().collections {
            if let Err(error) = collection.close() {
                tracing::error!(collection = name, %error, "not flushed");
            }
        }
        let temporary = self
            .temporary
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(Err(error)) = temporary.map(TempDir::close) {
            tracing::warn!(folder = %self.folder.display(), %error, "not removed");
        }
    }

    fn save_aliases(&self, aliases: &BTreeMap<String, String>) -> Result<(), Status> {
        let path = self.folder.join(ALIASES_FILE);
        let write = || {
            // Renamed into place, so that a reader finds the old file or the new one.
            let fresh = path.with_extension("new");
            fs::write(&fresh, serde_json::to_vec_pretty(aliases)?)?;
            fs::rename(&fresh, &path)
        };
        write().map_err(|error: io::Error| internal(format!("{}: {error}", path.display())))
    }

    fn catalog(&self) -> RwLockReadGuard<'_, Catalog> {
        self.catalog.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn catalog_mut(&self) -> RwLockWriteGuard<'_, Catalog> {
        self.catalog.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Catalog {
    fn open(folder: &Path, durable: bool) -> Result<Self, StartError> {
        let failed = |source| StartError::Folder {
            folder: folder.to_owned(),
            source,
        };
        let collections_folder = folder.join(COLLECTIONS_FOLDER);
        fs::create_dir_all(&collections_folder).map_err(failed)?;
        let mut catalog = Self {
            aliases: read_aliases(&folder.join(ALIASES_FILE)).map_err(failed)?,
            ..Self::default()
        };
        for entry in fs::read_dir(&collections_folder).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let Ok(name) = entry.file_name().into_string() else {
                continue;
            };
            let path = entry.path();
            if !Collection::is_in(&path) {
                tracing::warn!(folder = %path.display(), "removing a half-made collection");
                fs::remove_dir_all(&path).map_err(failed)?;
                continue;
            }
            let collection = Collection::open(&name, path, durable).map_err(|source| {
                StartError::Collection {
                    name: name.clone(),
                    source,
                }
            })?;
            catalog.collections.insert(name, Arc::new(collection));
        }
        Ok(catalog)
    }
}

fn read_aliases(path: &Path) -> io::Result<BTreeMap<String, String>> {
    match fs::read(path) {
        Ok(bytes) => Ok(serde_json::from_slice(&bytes)?),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(BTreeMap::new()),
        Err(error) => Err(error),
    }
}

fn check_name(field: &str, name: &str) -> Result<(), Status> {
    if name.is_empty() || name.len() > MAX_NAME_BYTES {
        return Err(invalid_field(
            field,
            &format!("value {name:?} invalid, must be from 1 to {MAX_NAME_BYTES} bytes"),
        ));
    }
    if let Some(char) = name.chars().find(|c| INVALID_NAME_CHARS.contains(c)) {
        return Err(invalid_field(
            field,
            &format!("collection name cannot contain \"{char}\" char"),
        ));
    }
    if name == "." || name == ".." {
        return Err(invalid_field(field, "collection name cannot be a path"));
    }
    Ok(())
}

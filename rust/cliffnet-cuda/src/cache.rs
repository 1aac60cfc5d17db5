//! Compiled kernels on disk, shared by all processes of a user.
//!
//! An entry is a file named by a hash of its key, the source and all that determines what the compiler makes of it. It
//! begins with the key itself, so that an entry of another key is never taken for it, and ends with a hash of the rest.
//! Files appear under their names only when they are complete. Whatever cannot be read or written only costs time.
#![forbid(unsafe_code)]

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

use cliffnet_plan::content_hash;

/// First bytes of an entry; the number changes with the format.
const MAGIC: &[u8; 16] = b"cliffnet cubin 1";

/// Name of the files.
const EXTENSION: &str = "cubin";

/// Files of writers that did not finish are removed once they are this old.
const ABANDONED_SECONDS: u64 = 3600;

/// A folder of compiled kernels, or none.
pub struct Cache {
    folder: Option<PathBuf>,
    max_bytes: u64,
    trouble: OnceLock<String>,
    report: fn(&str),
}

/// What a compiled kernel is looked up by.
pub struct Entry {
    key: Vec<u8>,
    name: String,
}

impl Entry {
    /// The entry of a source and of the rest that determines the compiled kernel.
    pub fn new(description: &str, source: &str) -> Self {
        let key = [description.as_bytes(), b"\n", source.as_bytes()].concat();
        let name = format!("{:032x}", content_hash(&key));
        Self { key, name }
    }

    /// Name of the file, without its extension.
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl Cache {
    /// Most bytes that the entries take, by default.
    pub const MAX_BYTES: u64 = 256 << 20;

    /// The cache in a folder, which is made at the first entry; without a folder nothing is kept. `report` is called at
    /// most once, when the folder cannot be written.
    pub fn new(folder: Option<PathBuf>, max_bytes: u64, report: fn(&str)) -> Self {
        Self { folder, max_bytes, trouble: OnceLock::new(), report }
    }

    /// The folder.
    pub fn folder(&self) -> Option<&Path> {
        self.folder.as_deref()
    }

    fn path(&self, entry: &Entry) -> Option<PathBuf> {
        self.folder.as_ref().map(|folder| folder.join(&entry.name).with_extension(EXTENSION))
    }

    /// What was put under an entry. A file that is damaged or belongs to another entry is removed.
    pub fn get(&self, entry: &Entry) -> Option<Vec<u8>> {
        let path = self.path(entry)?;
        let bytes = fs::read(&path).ok()?;
        let Some(cubin) = parse(&bytes, &entry.key) else {
            self.remove(entry);
            return None;
        };
        // the time of the last use decides what goes first; without it the time of making does
        let _ = File::open(&path).and_then(|file| file.set_modified(SystemTime::now()));
        Some(cubin.to_vec())
    }

    /// Removes an entry.
    pub fn remove(&self, entry: &Entry) {
        if let Some(path) = self.path(entry) {
            let _ = fs::remove_file(path);
        }
    }

    /// Keeps a compiled kernel.
    pub fn put(&self, entry: &Entry, cubin: &[u8]) {
        let (Some(folder), Some(path)) = (&self.folder, self.path(entry)) else { return };
        let written = fs::create_dir_all(folder).and_then(|()| {
            let unfinished = folder.join(unfinished_name(&entry.name));
            let result = File::create_new(&unfinished)
                .and_then(|mut file| file.write_all(&serialize(&entry.key, cubin)))
                .and_then(|()| fs::rename(&unfinished, &path));
            if result.is_err() {
                let _ = fs::remove_file(&unfinished);
            }
            result
        });
        match written {
            Ok(()) => self.shrink(folder),
            Err(error) => {
                self.trouble.get_or_init(|| {
                    let message = format!(
                        "compiled CUDA kernels cannot be kept in {} ({error}) and are compiled again by every process; \
                         set CLIFFNET_CACHE_DIR to a folder that can be written",
                        folder.display()
                    );
                    (self.report)(&message);
                    message
                });
            }
        }
    }

    /// Removes the entries used longest ago until the others fit, and what dead writers left.
    fn shrink(&self, folder: &Path) {
        let Ok(files) = fs::read_dir(folder) else { return };
        let mut entries = Vec::new();
        for file in files.flatten() {
            let path = file.path();
            let Ok(facts) = file.metadata() else { continue };
            let modified = facts.modified().unwrap_or(SystemTime::UNIX_EPOCH);
            if path.extension().is_some_and(|extension| extension == EXTENSION) {
                entries.push((modified, facts.len(), path));
            } else if is_unfinished(&path) && modified.elapsed().is_ok_and(|age| age.as_secs() > ABANDONED_SECONDS) {
                let _ = fs::remove_file(path);
            }
        }
        let mut bytes: u64 = entries.iter().map(|(_, size, _)| size).sum();
        entries.sort();
        for (_, size, path) in entries {
            if bytes <= self.max_bytes {
                return;
            }
            let _ = fs::remove_file(path);
            bytes -= size;
        }
    }
}

/// A name that no other writer uses.
fn unfinished_name(name: &str) -> String {
    static COUNTER: AtomicU64 = AtomicU64::new(0);
    let count = COUNTER.fetch_add(1, Ordering::Relaxed);
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |time| time.as_nanos());
    format!("{name}.{}.{now}.{count}.unfinished", std::process::id())
}

fn is_unfinished(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "unfinished")
}

/// The bytes of a file: magic, length of the key, key, compiled kernel, hash of all that.
fn serialize(key: &[u8], cubin: &[u8]) -> Vec<u8> {
    let mut bytes = [MAGIC, &(key.len() as u64).to_le_bytes()[..], key, cubin].concat();
    bytes.extend(content_hash(&bytes).to_le_bytes());
    bytes
}

/// The compiled kernel in a file of this key.
fn parse<'b>(bytes: &'b [u8], key: &[u8]) -> Option<&'b [u8]> {
    let (body, hash) = bytes.split_last_chunk::<16>()?;
    if content_hash(body).to_le_bytes() != *hash {
        return None;
    }
    let (length, rest) = body.strip_prefix(MAGIC)?.split_first_chunk::<8>()?;
    if u64::from_le_bytes(*length) != key.len() as u64 {
        return None;
    }
    rest.strip_prefix(key)
}

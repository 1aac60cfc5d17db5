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

/// Name of the files beside them that hold the threads of a block that were found best.
const CHOICE: &str = "threads";

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

    fn path(&self, entry: &Entry, extension: &str) -> Option<PathBuf> {
        self.folder.as_ref().map(|folder| folder.join(&entry.name).with_extension(extension))
    }

    /// What was put under an entry. A file that is damaged or belongs to another entry is removed.
    pub fn get(&self, entry: &Entry) -> Option<Vec<u8>> {
        let path = self.path(entry, EXTENSION)?;
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
        for extension in [EXTENSION, CHOICE] {
            if let Some(path) = self.path(entry, extension) {
                let _ = fs::remove_file(path);
            }
        }
    }

    /// Keeps a compiled kernel.
    pub fn put(&self, entry: &Entry, cubin: &[u8]) {
        self.write(entry, EXTENSION, &serialize(&entry.key, cubin));
    }

    /// The threads of a block that were found best for the kernel of an entry.
    pub fn choice(&self, entry: &Entry) -> Option<u32> {
        fs::read_to_string(self.path(entry, CHOICE)?).ok()?.trim().parse().ok()
    }

    /// Keeps the threads of a block that were found best.
    pub fn choose(&self, entry: &Entry, threads: u32) {
        self.write(entry, CHOICE, format!("{threads}\n").as_bytes());
    }

    /// Writes a file, which appears when it is complete.
    fn write(&self, entry: &Entry, extension: &str, bytes: &[u8]) {
        let (Some(folder), Some(path)) = (&self.folder, self.path(entry, extension)) else { return };
        let written = fs::create_dir_all(folder).and_then(|()| {
            let unfinished = folder.join(unfinished_name(&entry.name));
            let result = File::create_new(&unfinished)
                .and_then(|mut file| file.write_all(bytes))
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
            let _ = fs::remove_file(path.with_extension(CHOICE));
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

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::PathBuf;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::{Duration, SystemTime};

    use super::{Cache, Entry};

    /// A folder of a test, empty.
    fn folder(name: &str) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("cliffnet-cache-{}-{name}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        folder
    }

    fn cache(folder: &std::path::Path) -> Cache {
        Cache::new(Some(folder.to_owned()), Cache::MAX_BYTES, |message| panic!("{message}"))
    }

    fn file(folder: &std::path::Path, entry: &Entry) -> PathBuf {
        folder.join(format!("{}.cubin", entry.name()))
    }

    #[test]
    fn what_was_put_is_found_by_its_key_alone() {
        let folder = folder("key");
        let entry = Entry::new("sm_90", "source");
        assert_eq!(cache(&folder).get(&entry), None);
        cache(&folder).put(&entry, b"code");
        assert_eq!(cache(&folder).get(&entry).as_deref(), Some(&b"code"[..]));
        for other in [Entry::new("sm_80", "source"), Entry::new("sm_90", "another")] {
            assert_eq!(cache(&folder).get(&other), None);
        }
    }

    #[test]
    fn damaged_files_are_dropped() {
        let folder = folder("damaged");
        let entry = Entry::new("sm_90", "source");
        let damages: [fn(&mut Vec<u8>); 5] = [
            |bytes| bytes.truncate(bytes.len() / 2),
            |bytes| bytes.clear(),
            |bytes| bytes[40] ^= 1,
            |bytes| bytes[0] ^= 1,
            |bytes| bytes.push(0),
        ];
        for damage in damages {
            cache(&folder).put(&entry, b"code");
            let path = file(&folder, &entry);
            let mut bytes = fs::read(&path).expect("the entry is there");
            damage(&mut bytes);
            fs::write(&path, bytes).expect("the entry can be written");
            assert_eq!(cache(&folder).get(&entry), None);
            assert!(!path.exists());
        }
    }

    #[test]
    fn an_entry_of_another_key_is_never_taken() {
        let folder = folder("foreign");
        let (entry, other) = (Entry::new("sm_90", "source"), Entry::new("sm_90", "another"));
        cache(&folder).put(&other, b"code");
        fs::rename(file(&folder, &other), file(&folder, &entry)).expect("the file can be renamed");
        assert_eq!(cache(&folder).get(&entry), None);
        assert!(!file(&folder, &entry).exists());
    }

    #[test]
    fn the_entries_used_longest_ago_make_room() {
        let folder = folder("room");
        let small = Cache::new(Some(folder.clone()), 3000, |message| panic!("{message}"));
        let entries: Vec<Entry> = (0..4).map(|number| Entry::new("sm_90", &number.to_string())).collect();
        for (age, entry) in [(3, &entries[0]), (2, &entries[1])] {
            small.put(entry, &[0; 1200]);
            let opened = fs::File::options().write(true).open(file(&folder, entry)).expect("the entry is there");
            opened.set_modified(SystemTime::now() - Duration::from_secs(age * 100)).expect("times can be set");
        }
        // using the oldest makes it the newest
        assert!(small.get(&entries[0]).is_some());
        small.put(&entries[2], &[0; 1200]);
        assert!(small.get(&entries[1]).is_none());
        assert!(small.get(&entries[0]).is_some() && small.get(&entries[2]).is_some());
    }

    #[test]
    fn choices_go_with_their_entries() {
        let folder = folder("choice");
        let entries: Vec<Entry> = (0..2).map(|number| Entry::new("sm_90", &number.to_string())).collect();
        let small = Cache::new(Some(folder.clone()), 2000, |message| panic!("{message}"));
        small.put(&entries[0], &[0; 1200]);
        assert_eq!(small.choice(&entries[0]), None);
        small.choose(&entries[0], 128);
        assert_eq!((small.choice(&entries[0]), small.choice(&entries[1])), (Some(128), None));
        let opened = fs::File::options().write(true).open(file(&folder, &entries[0])).expect("the entry is there");
        opened.set_modified(SystemTime::now() - Duration::from_secs(100)).expect("times can be set");
        small.put(&entries[1], &[0; 1200]);
        assert_eq!((small.choice(&entries[0]), small.get(&entries[0])), (None, None));
        assert_eq!(fs::read_dir(&folder).expect("the folder is there").count(), 1);
    }

    #[test]
    fn what_dead_writers_left_is_removed_and_what_living_ones_write_is_not() {
        let folder = folder("dead");
        fs::create_dir_all(&folder).expect("the folder can be made");
        let (dead, living) = (folder.join("a.1.2.3.unfinished"), folder.join("b.1.2.3.unfinished"));
        for path in [&dead, &living] {
            fs::write(path, b"half").expect("files can be written");
        }
        let opened = fs::File::options().write(true).open(&dead).expect("the file is there");
        opened.set_modified(SystemTime::now() - Duration::from_secs(7200)).expect("times can be set");
        cache(&folder).put(&Entry::new("sm_90", "source"), b"code");
        assert!(!dead.exists() && living.exists());
    }

    #[test]
    fn writers_of_one_entry_do_not_disturb_one_another() {
        let folder = folder("writers");
        let entry = Entry::new("sm_90", "source");
        let code = vec![7; 1 << 16];
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for _ in 0..16 {
                        cache(&folder).put(&entry, &code);
                        assert_eq!(cache(&folder).get(&entry).as_deref(), Some(&code[..]));
                    }
                });
            }
        });
        assert_eq!(fs::read_dir(&folder).expect("the folder is there").count(), 1);
    }

    #[test]
    fn a_folder_that_cannot_be_written_is_reported_once() {
        static REPORTS: AtomicUsize = AtomicUsize::new(0);
        let parent = folder("unwritable");
        // a file in the place of a folder refuses even the superuser
        fs::write(&parent, b"").expect("files can be written");
        let cache = Cache::new(Some(parent.join("cuda")), Cache::MAX_BYTES, |message| {
            assert!(message.contains("CLIFFNET_CACHE_DIR"));
            REPORTS.fetch_add(1, Ordering::Relaxed);
        });
        for number in 0..3 {
            cache.put(&Entry::new("sm_90", &number.to_string()), b"code");
        }
        assert_eq!(REPORTS.load(Ordering::Relaxed), 1);
        assert_eq!(Cache::new(None, 0, |message| panic!("{message}")).get(&Entry::new("", "")), None);
    }
}

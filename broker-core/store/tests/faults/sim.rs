//! A file system in memory that fails as disks do.
//!
//! Each file and each folder knows its durable state and what was done to it since its last sync.
//! [`SimFs::power_failure`] gives the disk as it may be found afterwards: of each file any part of
//! the unsynced writes, torn at any byte unless within a sector, but its length as it was at some moment, as file systems
//! with a journal keep it; of each folder a prefix of the unsynced changes of names.
//! [`SimFs::process_death`] gives all that was done.
//!
//! A [`Fault`] strikes at the n-th operation that changes something. From the chosen end on
//! ([`SimFs::stop_at`]) nothing is done any more: this is where the machine stops.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, IoSlice};
use std::path::{Component, Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};

use store::fs::{DirEntry, DiskUsage, File, FileSystem, Metadata, OpenMode};

/// How an operation fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The disk does not answer; nothing is done.
    Io,
    /// There is no space; nothing is done.
    NoSpace,
    /// A part is written, then there is no space.
    ShortWrite,
}

/// Numbers that look random and are the same for a seed.
#[derive(Debug, Clone)]
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// Below `end`, which is not 0.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }
}

#[derive(Debug, Clone)]
enum Change {
    Write(u64, Vec<u8>),
    Zero(u64, u64),
    Len(u64),
    /// Grows, if need be.
    Reach(u64),
}

#[derive(Debug, Clone, Default)]
struct FileNode {
    content: Vec<u8>,
    durable: Vec<u8>,
    unsynced: Vec<Change>,
    modified_ms: i64,
    /// Up to here it has its blocks.
    allocated: u64,
}

#[derive(Debug, Clone)]
enum Renaming {
    Link(String, usize),
    Unlink(String),
    Rename(String, String),
}

#[derive(Debug, Clone, Default)]
struct DirNode {
    names: BTreeMap<String, usize>,
    durable: BTreeMap<String, usize>,
    unsynced: Vec<Renaming>,
}

#[derive(Debug, Clone)]
enum Node {
    File(FileNode),
    Dir(DirNode),
}

#[derive(Debug)]
struct Disk {
    nodes: Vec<Node>,
    locked: BTreeSet<usize>,
    random: Random,
    operations: usize,
    fault: Option<(usize, Fault)>,
    stop_at: usize,
    now_ms: i64,
    full: bool,
}

const ROOT: usize = 0;

/// The file system. Clones show the same disk.
#[derive(Debug, Clone)]
pub(crate) struct SimFs(Arc<Mutex<Disk>>);

pub(crate) struct SimFile {
    fs: SimFs,
    node: usize,
    locked: Mutex<bool>,
}

fn apply(content: &mut Vec<u8>, change: &Change) {
    let reach = |content: &mut Vec<u8>, end: u64| {
        if content.len() < end as usize {
            content.resize(end as usize, 0);
        }
    };
    match change {
        Change::Write(at, bytes) => {
            reach(content, at + bytes.len() as u64);
            content[*at as usize..*at as usize + bytes.len()].copy_from_slice(bytes);
        }
        Change::Zero(at, len) => {
            let end = content.len().min((at + len) as usize);
            if (*at as usize) < end {
                content[*at as usize..end].fill(0);
            }
        }
        Change::Len(len) => content.resize(*len as usize, 0),
        Change::Reach(len) => reach(content, *len),
    }
}

/// Where a change ends in the file.
fn reach(change: &Change) -> u64 {
    match change {
        Change::Write(at, bytes) => at + bytes.len() as u64,
        Change::Zero(at, len) => at + len,
        Change::Len(len) | Change::Reach(len) => *len,
    }
}

fn rename(names: &mut BTreeMap<String, usize>, change: &Renaming) {
    match change {
        Renaming::Link(name, node) => {
            names.insert(name.clone(), *node);
        }
        Renaming::Unlink(name) => {
            names.remove(name);
        }
        Renaming::Rename(from, to) => {
            if let Some(node) = names.remove(from) {
                names.insert(to.clone(), node);
            }
        }
    }
}

/// Disks write a sector whole or not at all.
fn can_tear(at: u64, bytes: &[u8]) -> bool {
    const SECTOR: u64 = 512;
    at / SECTOR != (at + bytes.len() as u64).saturating_sub(1).max(at) / SECTOR
}

fn not_found() -> io::Error {
    io::ErrorKind::NotFound.into()
}

impl Disk {
    fn find(&self, path: &Path) -> io::Result<usize> {
        let mut at = ROOT;
        for component in path.components() {
            if let Component::Normal(name) = component {
                let Node::Dir(dir) = &self.nodes[at] else {
                    return Err(io::ErrorKind::NotADirectory.into());
                };
                at = *dir
                    .names
                    .get(name.to_str().unwrap())
                    .ok_or_else(not_found)?;
            }
        }
        Ok(at)
    }

    fn dir(&mut self, node: usize) -> io::Result<&mut DirNode> {
        match &mut self.nodes[node] {
            Node::Dir(dir) => Ok(dir),
            Node::File(_) => Err(io::ErrorKind::NotADirectory.into()),
        }
    }

    fn file(&mut self, node: usize) -> &mut FileNode {
        match &mut self.nodes[node] {
            Node::File(file) => file,
            Node::Dir(_) => panic!("a folder was opened as a file"),
        }
    }

    fn change_name(&mut self, dir: usize, change: Renaming) -> io::Result<()> {
        let dir = self.dir(dir)?;
        rename(&mut dir.names, &change);
        dir.unsynced.push(change);
        Ok(())
    }

    fn change(&mut self, node: usize, change: Change) {
        let now_ms = self.now_ms;
        let file = self.file(node);
        if let Change::Write(..) | Change::Reach(_) = &change {
            file.allocated = file.allocated.max(reach(&change));
        }
        apply(&mut file.content, &change);
        file.unsynced.push(change);
        file.modified_ms = now_ms;
    }

    /// Fails when the blocks up to `end` of a file are not there and cannot be had.
    fn needs(&mut self, node: usize, end: u64) -> io::Result<()> {
        if self.full && end > self.file(node).allocated {
            return Err(error_of(Fault::NoSpace));
        }
        Ok(())
    }

    /// Counts an operation that changes something; the fault it meets, if it meets one.
    fn count(&mut self) -> Result<(), Fault> {
        let this = self.operations;
        self.operations += 1;
        if this >= self.stop_at {
            return Err(if this == self.stop_at {
                Fault::ShortWrite
            } else {
                Fault::Io
            });
        }
        match self.fault {
            Some((at, fault)) if at == this => Err(fault),
            _ => Ok(()),
        }
    }

    /// As [`Self::count`] for all operations of which no part can be done.
    fn step(&mut self) -> io::Result<()> {
        self.count().map_err(error_of)
    }

    fn remove_below(&mut self, node: usize) -> io::Result<()> {
        let names: Vec<_> = match &self.nodes[node] {
            Node::File(_) => return Ok(()),
            Node::Dir(dir) => dir.names.clone().into_iter().collect(),
        };
        for (name, child) in names {
            self.remove_below(child)?;
            self.step()?;
            self.change_name(node, Renaming::Unlink(name))?;
        }
        Ok(())
    }

    fn sync_file(&mut self, node: usize) {
        let file = self.file(node);
        file.unsynced.clear();
        file.durable.clone_from(&file.content);
    }

    fn sync_names(&mut self, node: usize) -> io::Result<()> {
        let dir = self.dir(node)?;
        dir.unsynced.clear();
        dir.durable.clone_from(&dir.names);
        Ok(())
    }
}

fn error_of(fault: Fault) -> io::Error {
    match fault {
        Fault::Io => rustix::io::Errno::IO.into(),
        Fault::NoSpace | Fault::ShortWrite => rustix::io::Errno::NOSPC.into(),
    }
}

fn split(path: &Path) -> (&Path, String) {
    let name = path.file_name().unwrap().to_str().unwrap();
    (path.parent().unwrap(), name.to_owned())
}

impl SimFs {
    pub(crate) fn new(seed: u64) -> Self {
        Self::with(vec![Node::Dir(DirNode::default())], seed)
    }

    fn with(nodes: Vec<Node>, seed: u64) -> Self {
        Self(Arc::new(Mutex::new(Disk {
            nodes,
            locked: BTreeSet::new(),
            random: Random(seed),
            operations: 0,
            fault: None,
            stop_at: usize::MAX,
            now_ms: 0,
            full: false,
        })))
    }

    fn disk(&self) -> MutexGuard<'_, Disk> {
        self.0.lock().unwrap()
    }

    /// Operations so far that changed something.
    pub(crate) fn operations(&self) -> usize {
        self.disk().operations
    }

    /// Lets the operation of this number fail.
    pub(crate) fn fail_at(&self, operation: usize, fault: Fault) {
        self.disk().fault = Some((operation, fault));
    }

    /// The machine stops in the middle of the operation of this number.
    pub(crate) fn stop_at(&self, operation: usize) {
        self.disk().stop_at = operation;
    }

    /// Whether there is no space for anything that has no blocks yet.
    pub(crate) fn set_full(&self, full: bool) {
        self.disk().full = full;
    }

    pub(crate) fn set_now(&self, now_ms: i64) {
        self.disk().now_ms = now_ms;
    }

    /// The disk after the process has died: everything that was done is there.
    pub(crate) fn process_death(&self) -> Self {
        let disk = self.disk();
        let mut random = disk.random.clone();
        Self::with(disk.nodes.clone(), random.next())
    }

    /// The disk after a power failure.
    pub(crate) fn power_failure(&self) -> Self {
        let disk = self.disk();
        let mut random = disk.random.clone();
        let mut nodes = disk.nodes.clone();
        for node in &mut nodes {
            match node {
                Node::File(file) => {
                    let lengthened = random.below(file.unsynced.len() + 1);
                    for (n, change) in file.unsynced.iter().enumerate() {
                        let len = file.durable.len();
                        let mut longer = file.durable.clone();
                        apply(&mut longer, change);
                        let reached = longer.len();
                        match (random.below(4), change) {
                            (0, _) => {}
                            (1, Change::Write(at, bytes)) if can_tear(*at, bytes) => {
                                let from = random.below(bytes.len());
                                let to = from + random.below(bytes.len() - from + 1);
                                let part = bytes[from..to].to_vec();
                                apply(&mut file.durable, &Change::Write(at + from as u64, part));
                            }
                            _ => file.durable = longer,
                        }
                        file.durable
                            .resize(if n < lengthened { reached } else { len }, 0);
                    }
                    file.unsynced.clear();
                    file.content.clone_from(&file.durable);
                }
                Node::Dir(dir) => {
                    let kept = random.below(dir.unsynced.len() + 1);
                    for change in &dir.unsynced[..kept] {
                        rename(&mut dir.durable, change);
                    }
                    dir.unsynced.clear();
                    dir.names.clone_from(&dir.durable);
                }
            }
        }
        Self::with(nodes, random.next())
    }

    /// All files below a folder, by their path.
    pub(crate) fn files(&self, below: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
        let mut found = BTreeMap::new();
        for entry in self.list_dir(below).unwrap_or_default() {
            let path = below.join(&entry.name);
            if entry.is_dir {
                found.append(&mut self.files(&path));
            } else {
                let mut disk = self.disk();
                let node = disk.find(&path).unwrap();
                let content = disk.file(node).content.clone();
                drop(disk);
                found.insert(path, content);
            }
        }
        found
    }

    /// Changes a file as damage does: durable at once, and without being counted.
    pub(crate) fn damage(&self, path: &Path, change: impl FnOnce(&mut Vec<u8>)) {
        let mut disk = self.disk();
        let node = disk.find(path).unwrap();
        change(&mut disk.file(node).content);
        disk.sync_file(node);
    }
}

impl FileSystem for SimFs {
    type File = SimFile;

    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<SimFile> {
        let mut disk = self.disk();
        let node = match disk.find(path) {
            Ok(node) => node,
            Err(e) if e.kind() == io::ErrorKind::NotFound && mode == OpenMode::Create => {
                disk.step()?;
                if disk.full {
                    return Err(error_of(Fault::NoSpace));
                }
                let (parent, name) = split(path);
                let parent = disk.find(parent)?;
                disk.nodes.push(Node::File(FileNode::default()));
                let node = disk.nodes.len() - 1;
                disk.change_name(parent, Renaming::Link(name, node))?;
                node
            }
            Err(e) => return Err(e),
        };
        if matches!(disk.nodes[node], Node::Dir(_)) {
            return Err(io::ErrorKind::IsADirectory.into());
        }
        drop(disk);
        Ok(SimFile {
            fs: self.clone(),
            node,
            locked: Mutex::new(false),
        })
    }

    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        let mut disk = self.disk();
        let mut at = ROOT;
        for component in path.components() {
            if let Component::Normal(name) = component {
                let name = name.to_str().unwrap().to_owned();
                at = match disk.dir(at)?.names.get(&name) {
                    Some(node) => *node,
                    None => {
                        disk.step()?;
                        disk.nodes.push(Node::Dir(DirNode::default()));
                        let node = disk.nodes.len() - 1;
                        disk.change_name(at, Renaming::Link(name, node))?;
                        node
                    }
                };
            }
        }
        disk.dir(at).map(|_| ())
    }

    fn list_dir(&self, path: &Path) -> io::Result<Vec<DirEntry>> {
        let disk = self.disk();
        let Node::Dir(dir) = &disk.nodes[disk.find(path)?] else {
            return Err(io::ErrorKind::NotADirectory.into());
        };
        let entry = |(name, node): (&String, &usize)| DirEntry {
            name: name.clone(),
            is_dir: matches!(disk.nodes[*node], Node::Dir(_)),
        };
        Ok(dir.names.iter().map(entry).collect())
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        let mut disk = self.disk();
        let node = disk.find(path)?;
        if matches!(disk.nodes[node], Node::Dir(_)) {
            return Err(io::ErrorKind::IsADirectory.into());
        }
        disk.step()?;
        let (parent, name) = split(path);
        let parent = disk.find(parent)?;
        disk.change_name(parent, Renaming::Unlink(name))
    }

    fn remove_dir_all(&self, path: &Path) -> io::Result<()> {
        let mut disk = self.disk();
        let node = disk.find(path)?;
        disk.remove_below(node)?;
        disk.step()?;
        let (parent, name) = split(path);
        let parent = disk.find(parent)?;
        disk.change_name(parent, Renaming::Unlink(name))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut disk = self.disk();
        disk.find(from)?;
        disk.step()?;
        let ((from_dir, from), (to_dir, to)) = (split(from), split(to));
        assert_eq!(from_dir, to_dir, "only within a folder");
        let dir = disk.find(from_dir)?;
        disk.change_name(dir, Renaming::Rename(from, to))
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        let mut disk = self.disk();
        let node = disk.find(path)?;
        disk.step()?;
        disk.sync_names(node)
    }

    fn metadata(&self, path: &Path) -> io::Result<Metadata> {
        let disk = self.disk();
        Ok(match &disk.nodes[disk.find(path)?] {
            Node::File(file) => Metadata {
                len: file.content.len() as u64,
                is_dir: false,
                modified_ms: file.modified_ms,
            },
            Node::Dir(_) => Metadata {
                len: 0,
                is_dir: true,
                modified_ms: 0,
            },
        })
    }

    fn disk_usage(&self, _path: &Path) -> io::Result<DiskUsage> {
        Ok(DiskUsage {
            total: 1 << 40,
            available: 1 << 39,
        })
    }

    fn sync_partition(&self, _path: &Path) -> io::Result<()> {
        let mut disk = self.disk();
        disk.step()?;
        for node in 0..disk.nodes.len() {
            match disk.nodes[node] {
                Node::File(_) => disk.sync_file(node),
                Node::Dir(_) => disk.sync_names(node)?,
            }
        }
        Ok(())
    }
}

impl SimFile {
    fn change(&self, change: Change) -> io::Result<()> {
        let mut disk = self.fs.disk();
        disk.step()?;
        disk.change(self.node, change);
        Ok(())
    }
}

impl File for SimFile {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        let mut disk = self.fs.disk();
        let content = &disk.file(self.node).content;
        let from = content.len().min(offset as usize);
        let len = buf.len().min(content.len() - from);
        buf[..len].copy_from_slice(&content[from..from + len]);
        Ok(len)
    }

    fn write_all_at(&self, buf: &[u8], offset: u64) -> io::Result<()> {
        let mut disk = self.fs.disk();
        disk.needs(self.node, offset + buf.len() as u64)?;
        let met = disk.count();
        if met.is_ok() {
            disk.change(self.node, Change::Write(offset, buf.to_vec()));
        } else if met == Err(Fault::ShortWrite) && can_tear(offset, buf) {
            let part = disk.random.below(buf.len());
            disk.change(self.node, Change::Write(offset, buf[..part].to_vec()));
        }
        met.map_err(error_of)
    }

    fn write_all_vectored_at(&self, bufs: &[IoSlice<'_>], offset: u64) -> io::Result<()> {
        let all: Vec<u8> = bufs.iter().flat_map(|buf| buf.iter().copied()).collect();
        self.write_all_at(&all, offset)
    }

    fn allocate(&self, offset: u64, len: u64) -> io::Result<()> {
        self.fs.disk().needs(self.node, offset + len)?;
        self.change(Change::Reach(offset + len))
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut disk = self.fs.disk();
        disk.step()?;
        disk.sync_file(self.node);
        Ok(())
    }

    fn sync_all(&self) -> io::Result<()> {
        self.sync_data()
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.change(Change::Len(len))
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.fs.disk().file(self.node).content.len() as u64)
    }

    fn erase(&self, offset: u64, len: u64) -> io::Result<()> {
        self.change(Change::Zero(offset, len))
    }

    fn data_after(&self, offset: u64) -> io::Result<Option<u64>> {
        let mut disk = self.fs.disk();
        let content = &disk.file(self.node).content;
        let rest = content.get(offset as usize..).unwrap_or_default();
        let found = rest.iter().position(|byte| *byte != 0);
        Ok(found.map(|at| offset + at as u64))
    }

    fn hole_after(&self, offset: u64) -> io::Result<u64> {
        let mut disk = self.fs.disk();
        let content = &disk.file(self.node).content;
        let mut blocks = content.chunks(4096).skip(offset as usize / 4096);
        let written = blocks.position(|block| block.iter().all(|byte| *byte == 0));
        let hole = written.map_or(content.len() as u64, |written| {
            (offset / 4096 + written as u64) * 4096
        });
        Ok(hole.max(offset))
    }

    fn try_lock(&self) -> io::Result<bool> {
        let free = self.fs.disk().locked.insert(self.node);
        if free {
            *self.locked.lock().unwrap() = true;
        }
        Ok(free)
    }
}

impl Drop for SimFile {
    fn drop(&mut self) {
        if *self.locked.get_mut().unwrap() {
            self.fs.disk().locked.remove(&self.node);
        }
    }
}

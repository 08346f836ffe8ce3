//! One process a file: an advisory lock beside it, which the kernel drops when the process ends, however it ends.

use std::ffi::OsString;
use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};

use crate::error::Error;

/// The right to use the file, until dropped.
#[derive(Debug)]
pub(crate) struct FileLock {
    _file: File,
}

impl FileLock {
    /// Locks `<path>.lock`, which stays behind, empty.
    pub(crate) fn take(path: &Path) -> Result<Self, Error> {
        let mut name = OsString::from(path);
        name.push(".lock");
        let name = PathBuf::from(name);
        let opening =
            |error: std::io::Error| Error::Open { path: name.clone(), reason: error.to_string().into() };
        let file = File::options()
            .create(true)
            .truncate(false)
            .read(true)
            .write(true)
            .open(&name)
            .map_err(opening)?;
        match file.try_lock() {
            Ok(()) => Ok(Self { _file: file }),
            Err(TryLockError::WouldBlock) => Err(Error::InUse(path.to_owned())),
            Err(TryLockError::Error(error)) => Err(opening(error)),
        }
    }
}

/// The path without links and dots, so that two ways to one file meet at one lock. The file need not exist.
pub(crate) fn settled_path(path: &Path) -> Result<PathBuf, Error> {
    if let Ok(existing) = path.canonicalize() {
        return Ok(existing);
    }
    let opening = |reason: String| Error::Open { path: path.to_owned(), reason: reason.into() };
    let name = path.file_name().ok_or_else(|| opening("it names no file".to_owned()))?;
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let folder = folder.canonicalize().map_err(|error| opening(format!("its folder: {error}")))?;
    Ok(folder.join(name))
}

//! Loaded modules by content: the same model is loaded once, however many pipelines name it and however often these are
//! reloaded, and is given back with the last pipeline that uses it.

use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use sha2::{Digest, Sha256};

use super::Device;
use base::config::Precision;

/// What makes two modules the same: the bytes of the file, and how it is loaded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Key {
    content: [u8; 32],
    device: Device,
    precision: Precision,
}

/// What is in use, by key. The lock is held while something loads: loading uses process-wide state of libtorch that is not
/// thread safe, and who wants the same module waits for it.
#[derive(Debug)]
pub(super) struct Cache<T>(Mutex<Vec<(Key, Weak<T>)>>);

impl Key {
    /// The key of a file as it is now.
    ///
    /// # Errors
    /// When it cannot be read.
    pub(super) fn of(file: &Path, device: Device, precision: Precision) -> io::Result<Key> {
        let mut hash = Sha256::new();
        io::copy(&mut File::open(file)?, &mut hash)?;
        Ok(Key { content: hash.finalize().into(), device, precision })
    }
}

impl<T> Cache<T> {
    /// One that holds nothing.
    pub(super) const fn new() -> Self {
        Cache(Mutex::new(Vec::new()))
    }

    /// What is in use of this key, or else what `load` gives.
    ///
    /// # Errors
    /// Those of `load`.
    pub(super) fn get_or_load(&self, key: Key, load: impl FnOnce() -> Result<T, String>) -> Result<Arc<T>, String> {
        let mut in_use = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        in_use.retain(|(_, value)| value.strong_count() > 0);
        let known = in_use.iter().find(|(known, _)| *known == key).and_then(|(_, value)| value.upgrade());
        if let Some(value) = known {
            return Ok(value);
        }
        let value = Arc::new(load()?);
        in_use.push((key, Arc::downgrade(&value)));
        Ok(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_in_use_is_shared_by_content_and_device_and_given_back() {
        let folder = std::env::temp_dir().join(format!("forgesyted-cache-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let key = |name: &str, content: &str, device: Device| {
            std::fs::write(folder.join(name), content).unwrap();
            Key::of(&folder.join(name), device, Precision::Fp32).unwrap()
        };
        let (one, same) = (key("one", "x", Device::Cpu), key("same", "x", Device::Cpu));
        let (other, elsewhere) = (key("one", "y", Device::Cpu), key("one", "x", Device::Cuda(0)));
        std::fs::remove_dir_all(&folder).unwrap();

        let cache = Cache::new();
        let first = cache.get_or_load(one.clone(), || Ok(1)).unwrap();
        assert_eq!(*cache.get_or_load(same, || Ok(2)).unwrap(), 1);
        assert_eq!(*cache.get_or_load(other, || Ok(3)).unwrap(), 3);
        assert_eq!(*cache.get_or_load(elsewhere, || Ok(4)).unwrap(), 4);
        assert_eq!(cache.get_or_load(one.clone(), || Err("never called".to_owned())).unwrap(), first);
        drop(first);
        assert_eq!(*cache.get_or_load(one, || Ok(5)).unwrap(), 5, "nobody used it any more");
        assert!(Key::of(&folder, Device::Cpu, Precision::Fp32).is_err());
    }
}

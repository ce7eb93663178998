//! One value as it was found, in the file or in a variable, and its typed readings.

use std::fmt;
use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::Duration;

use ipnet::IpNet;
use toml::de::DeValue;

use crate::config::listen::Listen;

/// Longest piece of a found text that an error repeats, in characters.
const SHOWN: usize = 60;
/// Bits before the IPv4 address in an address of IPv6 that stands for it.
const MAPPED_PREFIX: u8 = 96;

/// A value before it is checked. Each reading gives `None` where type or range do not fit.
pub enum Found<'a> {
    /// From the file, with the folder that relative paths start from.
    Toml(&'a DeValue<'a>, &'a Path),
    /// From a variable.
    Text(&'a str),
}

impl Found<'_> {
    /// A number in `range`; an integer is a number too.
    pub(super) fn number(&self, range: RangeInclusive<f64>) -> Option<f64> {
        let number: f64 = match self {
            Self::Toml(DeValue::Float(float), _) => float.as_str().parse().ok()?,
            Self::Toml(DeValue::Integer(integer), _) => {
                i64::from_str_radix(integer.as_str(), integer.radix()).ok()? as f64
            }
            Self::Toml(..) => return None,
            Self::Text(text) => text.trim().parse().ok()?,
        };
        // Without the sum a negative zero would be kept, and shown as "-0".
        range.contains(&number).then_some(number + 0.0)
    }

    /// A whole number in `range`.
    pub(super) fn integer(&self, range: RangeInclusive<u64>) -> Option<u64> {
        let number = match self {
            Self::Toml(DeValue::Integer(integer), _) => u64::from_str_radix(integer.as_str(), integer.radix()).ok()?,
            Self::Toml(..) => return None,
            Self::Text(text) => text.trim().parse().ok()?,
        };
        range.contains(&number).then_some(number)
    }

    /// A whole number of the file, of either sign.
    pub(super) fn signed(&self) -> Option<i64> {
        match self {
            Self::Toml(DeValue::Integer(integer), _) => i64::from_str_radix(integer.as_str(), integer.radix()).ok(),
            _ => None,
        }
    }

    /// `true` or `false` of the file.
    pub(super) fn boolean(&self) -> Option<bool> {
        match self {
            Self::Toml(value, _) => value.as_bool(),
            Self::Text(_) => None,
        }
    }

    /// A whole number in `range` that fits this machine's sizes.
    pub(super) fn size(&self, range: RangeInclusive<u64>) -> Option<usize> {
        usize::try_from(self.integer(range)?).ok()
    }

    /// As [`Self::size`], or the word that stands for "not set", which gives `Some(None)`.
    pub(super) fn size_or(&self, word: &str, range: RangeInclusive<u64>) -> Option<Option<usize>> {
        if self.text() == Some(word) {
            return Some(None);
        }
        self.size(range).map(Some)
    }

    /// Seconds, from a millisecond to an hour.
    pub(super) fn seconds(&self) -> Option<Duration> {
        Duration::try_from_secs_f64(self.number(0.001..=3600.0)?).ok()
    }

    /// A text that is not empty.
    pub(super) fn text(&self) -> Option<&str> {
        let text = match self {
            Self::Toml(DeValue::String(text), _) => text.as_ref(),
            Self::Toml(..) => return None,
            Self::Text(text) => text.trim(),
        };
        (!text.is_empty()).then_some(text)
    }

    /// A folder that can stand in a search path: absolute, without `:`. A relative one of the file starts from the file's own
    /// folder; a variable has nothing that one could start from.
    pub(super) fn search_folder(&self) -> Option<PathBuf> {
        let text = self.text()?;
        let folder = match self {
            Self::Toml(_, base) => std::path::absolute(base.join(text)).ok()?,
            Self::Text(_) => PathBuf::from(text),
        };
        (folder.is_absolute() && !folder.to_string_lossy().contains(':')).then_some(folder)
    }

    /// A list of shared libraries, as the dynamic linker takes them: names without `/`, which it searches, or absolute paths.
    pub(super) fn libraries(&self) -> Option<Vec<PathBuf>> {
        let fits = |text: &str| {
            let named = !text.contains('/') || text.starts_with('/');
            (named && !text.is_empty() && !text.contains('\0')).then(|| PathBuf::from(text))
        };
        match self {
            Self::Toml(DeValue::Array(items), _) => {
                items.iter().map(|item| item.get_ref().as_str().and_then(fits)).collect()
            }
            Self::Toml(..) => None,
            Self::Text(text) => text.split(':').map(fits).collect(),
        }
    }

    /// Addresses to listen on: a text or a list of texts in the file, `,` between them in a variable.
    pub(super) fn listen(&self) -> Option<Listen> {
        match self {
            Self::Toml(DeValue::Array(items), _) => {
                let texts: Option<Vec<&str>> = items.iter().map(|item| item.get_ref().as_str()).collect();
                Listen::parse(texts?)
            }
            Self::Toml(..) => Listen::parse([self.text()?]),
            Self::Text(text) => Listen::parse(text.split(',').map(str::trim)),
        }
    }

    /// A list of IP addresses and networks of the file.
    pub(super) fn networks(&self) -> Option<Vec<IpNet>> {
        let Self::Toml(DeValue::Array(items), _) = self else { return None };
        items.iter().map(|item| network(item.get_ref().as_str()?)).collect()
    }

    /// A list of folders: a list of texts in the file, `:` between them in a variable. A relative folder of the file
    /// starts from the file's own folder, one of a variable from the working directory.
    pub(super) fn folders(&self) -> Option<Vec<PathBuf>> {
        match self {
            Self::Toml(DeValue::Array(items), base) => items
                .iter()
                .map(|item| match item.get_ref() {
                    DeValue::String(text) if !text.is_empty() => Some(base.join(text.as_ref())),
                    _ => None,
                })
                .collect(),
            Self::Toml(..) => None,
            Self::Text(text) => text.split(':').map(|part| (!part.is_empty()).then(|| PathBuf::from(part))).collect(),
        }
    }
}

/// A network, or an address as the network of itself alone. One of IPv4 that is written as IPv6 is one of IPv4, as the addresses
/// of clients are.
fn network(text: &str) -> Option<IpNet> {
    let network: IpNet = text.parse().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from))?;
    let prefix = network.prefix_len().checked_sub(MAPPED_PREFIX);
    let IpAddr::V4(plain) = network.addr().to_canonical() else { return Some(network) };
    prefix.map_or(Some(network), |prefix| IpNet::new(plain.into(), prefix).ok())
}

/// The value and, from a file, its type: what an error says was found.
impl fmt::Display for Found<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Toml(DeValue::String(text), _) => write!(f, "{:?} (a string)", short(text)),
            Self::Toml(DeValue::Integer(number), _) => write!(f, "{number}"),
            Self::Toml(DeValue::Float(number), _) => write!(f, "{number}"),
            Self::Toml(DeValue::Boolean(value), _) => write!(f, "{value} (a boolean)"),
            Self::Toml(DeValue::Datetime(value), _) => write!(f, "{value} (a date)"),
            Self::Toml(DeValue::Array(_), _) => f.write_str("an array"),
            Self::Toml(DeValue::Table(_), _) => f.write_str("a table"),
            Self::Text(text) => write!(f, "{:?}", short(text)),
        }
    }
}

fn short(text: &str) -> String {
    if text.chars().count() <= SHOWN {
        return text.to_owned();
    }
    text.chars().take(SHOWN).chain(['…']).collect()
}

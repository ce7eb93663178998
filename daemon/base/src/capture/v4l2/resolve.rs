//! From what the configuration names to a device node, and what a node is known by: links, USB ids, identity.
//!
//! Only files are looked at; no device is opened. It is cheap enough to be asked twice a second while a camera is away.

use std::fmt;
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::fault::{Step, fault};
use crate::capture::{Fault, Reason};
use crate::config::CameraDevice;

/// Where devices are found.
#[derive(Clone, Debug)]
pub(super) struct Places {
    /// Stands for `/dev`.
    pub dev: PathBuf,
    /// Stands for `/sys/class/video4linux`.
    pub class: PathBuf,
}

/// What tells one plugging-in of a device from the next: the node's number, inode and time of change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    filesystem: u64,
    inode: u64,
    number: u64,
    changed: (i64, i64),
}

/// A USB device's ids.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct UsbId {
    pub vendor: u16,
    pub product: u16,
    pub serial: Option<String>,
}

/// A video node of a USB device.
struct UsbNode {
    /// Its folder below `/sys/devices`: the port, then the interface, which stay the same when other cameras come and go.
    place: PathBuf,
    /// `video0`, …
    name: String,
    id: UsbId,
}

impl Default for Places {
    fn default() -> Self {
        Places::below(Path::new("/"))
    }
}

/// The node of a device, links resolved; for a replay its file or folder as it is.
///
/// # Errors
/// `no_such_device` where there is none, and what reading the path gives otherwise.
pub fn resolve(device: &CameraDevice) -> Result<PathBuf, Fault> {
    Places::default().resolve(device)
}

/// What the node behind a path is now. `None` where there is nothing. When it differs from before, the device came anew.
pub fn identity(path: &Path) -> Option<Identity> {
    fs::metadata(path).ok().map(|metadata| Identity::of(&metadata))
}

impl Identity {
    pub(super) fn of(metadata: &Metadata) -> Self {
        Identity {
            filesystem: metadata.dev(),
            inode: metadata.ino(),
            number: metadata.rdev(),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }

    /// The identity of the node alone, whatever is changed about it.
    pub fn of_node(self) -> Self {
        Identity { changed: (0, 0), ..self }
    }

    /// Whether both are the same node, though its owner or rights may have been changed in between.
    pub(super) fn same_node(self, other: Self) -> bool {
        self.of_node() == other.of_node()
    }
}

impl Places {
    /// The places of a machine whose files lie below `root`.
    pub fn below(root: &Path) -> Self {
        Places { dev: root.join("dev"), class: root.join("sys/class/video4linux") }
    }

    pub fn resolve(&self, device: &CameraDevice) -> Result<PathBuf, Fault> {
        match device {
            CameraDevice::Path(path) => path.canonicalize().map_err(|error| fault(Step::Open, path, &error)),
            CameraDevice::Usb { vendor, product, serial } => self.usb(*vendor, *product, serial.as_deref()),
            CameraDevice::Replay(path) => Ok(path.clone()),
        }
    }

    fn usb(&self, vendor: u16, product: u16, serial: Option<&str>) -> Result<PathBuf, Fault> {
        let mut alike: Vec<UsbNode> =
            self.usb_nodes().filter(|node| node.id.vendor == vendor && node.id.product == product).collect();
        alike.sort_by(|a, b| a.place.cmp(&b.place));
        let fits = |node: &&UsbNode| serial.is_none() || node.id.serial.as_deref() == serial;
        if let Some(node) = alike.iter().find(fits) {
            return Ok(self.dev.join(&node.name));
        }
        let there: Vec<String> = alike.iter().map(|node| node.id.to_string()).collect();
        let advice = match there.is_empty() {
            true => "Is it plugged in? `forgesyted cameras` lists what is there".to_owned(),
            false => format!("There is {}", there.join(", ")),
        };
        let wanted = UsbId { vendor, product, serial: serial.map(str::to_owned) };
        Err(Fault::new(Reason::NoSuchDevice, format!("no USB camera {wanted} is there. {advice}")))
    }

    /// The first video node of each interface of USB devices; further nodes of one interface carry metadata.
    fn usb_nodes(&self) -> impl Iterator<Item = UsbNode> + '_ {
        fs::read_dir(&self.class).into_iter().flatten().flatten().filter_map(|entry| {
            let name = entry.file_name().into_string().ok()?;
            let first = read(&entry.path().join("index")).is_none_or(|index| index == "0");
            let (place, id) = self.usb_place(&name)?;
            (first && is_video_node(&name)).then_some(UsbNode { place, name, id })
        })
    }

    /// Where a node's interface is, and the ids of the USB device that it belongs to.
    fn usb_place(&self, name: &str) -> Option<(PathBuf, UsbId)> {
        let place = self.class.join(name).join("device").canonicalize().ok()?;
        let device = place.ancestors().find(|folder| folder.join("idVendor").exists())?;
        let id = |file: &str| u16::from_str_radix(&read(&device.join(file))?, 16).ok();
        let id = UsbId { vendor: id("idVendor")?, product: id("idProduct")?, serial: read(&device.join("serial")) };
        Some((place, id))
    }

    /// The USB device that a node belongs to.
    pub fn usb_id(&self, node: &Path) -> Option<UsbId> {
        self.usb_place(node.file_name()?.to_str()?).map(|(_, id)| id)
    }

    /// What a device calls itself, for whom may not open it.
    pub fn card(&self, node: &Path) -> Option<String> {
        read(&self.class.join(node.file_name()?).join("name"))
    }

    /// Links that keep pointing at this device whatever number its node gets: by what it is, then by where it is plugged in.
    pub fn stable_links(&self, node: &Path) -> Vec<PathBuf> {
        let mut links = Vec::new();
        for folder in ["v4l/by-id", "v4l/by-path"] {
            let entries = fs::read_dir(self.dev.join(folder)).into_iter().flatten().flatten().map(|entry| entry.path());
            let mut here: Vec<PathBuf> =
                entries.filter(|link| link.canonicalize().is_ok_and(|target| target == node)).collect();
            here.sort();
            links.extend(here);
        }
        links
    }

    /// Every video node, by number.
    pub fn video_nodes(&self) -> io::Result<Vec<PathBuf>> {
        let mut found = Vec::new();
        for entry in fs::read_dir(&self.dev)? {
            let Ok(name) = entry?.file_name().into_string() else { continue };
            if let Some(number) = video_number(&name) {
                found.push((number, self.dev.join(name)));
            }
        }
        found.sort();
        Ok(found.into_iter().map(|(_, path)| path).collect())
    }

    /// A note for a device that is configured by a number that may be another camera's tomorrow.
    pub fn hint(&self, device: &CameraDevice, node: &Path) -> Option<String> {
        let CameraDevice::Path(path) = device else { return None };
        let bare = path.parent() == Some(&self.dev) && path.file_name()?.to_str().is_some_and(is_video_node);
        let stable = self.stable_links(node).into_iter().next()?;
        bare.then(|| {
            format!(
                "{} may be another camera after the next start; {} stays this one: name that as its device",
                path.display(),
                stable.display()
            )
        })
    }
}

/// As the configuration writes it.
impl fmt::Display for UsbId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let UsbId { vendor, product, serial } = self.clone();
        CameraDevice::Usb { vendor, product, serial }.fmt(f)
    }
}

fn is_video_node(name: &str) -> bool {
    video_number(name).is_some()
}

fn video_number(name: &str) -> Option<u32> {
    name.strip_prefix("video")?.parse().ok()
}

/// A file's text without the line's end. `None` where it cannot be read or is empty.
fn read(path: &Path) -> Option<String> {
    let text = fs::read_to_string(path).ok()?;
    Some(text.trim().to_owned()).filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capture::v4l2::tests_folder::Folder;

    /// A machine with a USB camera of two nodes, two alike, an infrared pair on one device, and a driver without a bus.
    fn machine(name: &str) -> (Folder, Places) {
        let root = Folder::new(name);
        let usb = |port: &str, vendor: &str, product: &str, serial: &str| {
            root.write(&format!("devices/usb1/{port}/idVendor"), &format!("{vendor}\n"));
            root.write(&format!("devices/usb1/{port}/idProduct"), &format!("{product}\n"));
            root.write(&format!("devices/usb1/{port}/serial"), &format!("{serial}\n"));
        };
        let node = |number: u32, index: u32, interface: &str| {
            let folder = format!("devices/{interface}/video4linux/video{number}");
            root.write(&format!("{folder}/index"), &format!("{index}\n"));
            root.write(&format!("{folder}/name"), &format!("Camera {number}\n"));
            root.link(&format!("{folder}/device"), &format!("devices/{interface}"));
            root.link(&format!("class/video{number}"), &folder);
            root.write(&format!("dev/video{number}"), "");
        };
        usb("1-4", "046d", "0825", "A1");
        node(0, 1, "usb1/1-4/1-4:1.0");
        node(1, 0, "usb1/1-4/1-4:1.0");
        usb("1-2", "1bcf", "0001", "S2");
        node(10, 0, "usb1/1-2/1-2:1.0");
        usb("1-3", "1bcf", "0001", "S3");
        node(2, 0, "usb1/1-3/1-3:1.0");
        usb("1-5", "8086", "0b07", "");
        node(3, 0, "usb1/1-5/1-5:1.3");
        node(4, 0, "usb1/1-5/1-5:1.0");
        node(5, 0, "platform/vivid.0");
        root.folder("class/v4l-subdev0");
        root.write("dev/video-codec", "");
        root.link("dev/v4l/by-id/usb-cam-A1-video-index0", "dev/video1");
        root.link("dev/v4l/by-path/pci-1-video-index0", "dev/video1");
        root.link("dev/v4l/by-path/pci-2-video-index0", "dev/video10");
        root.link("dev/v4l/by-id/gone", "dev/video99");
        let places = Places { dev: root.path.join("dev"), class: root.path.join("class") };
        (root, places)
    }

    fn usb(vendor: u16, product: u16, serial: Option<&str>) -> CameraDevice {
        CameraDevice::Usb { vendor, product, serial: serial.map(str::to_owned) }
    }

    #[test]
    fn usb_cameras_are_found_by_their_ids() {
        let (_root, places) = machine("usb");
        for (device, node) in [
            // Its node 0 carries metadata.
            (usb(0x046d, 0x0825, None), "video1"),
            (usb(0x046d, 0x0825, Some("A1")), "video1"),
            // Of two that are alike the one on the first port, whatever the nodes' numbers.
            (usb(0x1bcf, 1, None), "video10"),
            (usb(0x1bcf, 1, Some("S3")), "video2"),
            // Of two interfaces the first.
            (usb(0x8086, 0x0b07, None), "video4"),
        ] {
            assert_eq!(places.resolve(&device), Ok(places.dev.join(node)), "{device:?}");
        }
    }

    #[test]
    fn missing_devices_are_explained() {
        let (_root, places) = machine("missing");
        for (device, words) in [
            (usb(0x046d, 0x0826, None), "no USB camera usb:046d:0826 is there. Is it plugged in?"),
            (
                usb(0x1bcf, 1, Some("S4")),
                "no USB camera usb:1bcf:0001:S4 is there. There is usb:1bcf:0001:S2, usb:1bcf:0001:S3",
            ),
            (CameraDevice::Path(places.dev.join("video99")), "cannot open it: No such file"),
            (CameraDevice::Path(places.dev.join("v4l/by-id/gone")), "v4l/by-id/gone: cannot open it: No such file"),
        ] {
            let fault = places.resolve(&device).unwrap_err();
            assert_eq!(fault.reason, Reason::NoSuchDevice);
            assert!(fault.detail.contains(words), "{}", fault.detail);
        }
        let nowhere = Places { dev: "/nowhere".into(), class: "/nowhere".into() };
        assert_eq!(nowhere.resolve(&usb(1, 2, None)).unwrap_err().reason, Reason::NoSuchDevice);
    }

    #[test]
    fn links_lead_to_nodes_and_back() {
        let (_root, places) = machine("links");
        let node = places.dev.join("video1");
        let links: Vec<PathBuf> =
            ["v4l/by-id/usb-cam-A1-video-index0", "v4l/by-path/pci-1-video-index0"].map(|l| places.dev.join(l)).into();
        for link in &links {
            assert_eq!(places.resolve(&CameraDevice::Path(link.clone())), Ok(node.clone()));
            assert_eq!(places.hint(&CameraDevice::Path(link.clone()), &node), None);
        }
        assert_eq!(places.stable_links(&node), links);
        let hint = places.hint(&CameraDevice::Path(node.clone()), &node).unwrap();
        assert!(hint.contains("v4l/by-id/usb-cam-A1-video-index0 stays this one"), "{hint}");
        let without_link = places.dev.join("video5");
        assert_eq!(places.hint(&CameraDevice::Path(without_link.clone()), &without_link), None);
        assert_eq!(places.usb_id(&node).unwrap().to_string(), "usb:046d:0825:A1");
        assert_eq!(places.usb_id(&without_link), None);
        assert_eq!(places.card(&node).as_deref(), Some("Camera 1"));
        assert_eq!(places.card(Path::new("/dev/video99")), None);
    }

    #[test]
    fn nodes_are_listed_by_number() {
        let (_root, places) = machine("nodes");
        let names: Vec<PathBuf> = [0, 1, 2, 3, 4, 5, 10].map(|number| places.dev.join(format!("video{number}"))).into();
        assert_eq!(places.video_nodes().unwrap(), names);
    }

    #[test]
    fn a_device_that_comes_anew_has_another_identity() {
        let (root, places) = machine("identity");
        let node = places.dev.join("video5");
        let first = identity(&node).unwrap();
        assert_eq!(identity(&node), Some(first));
        // Kept under another name, so that the new one cannot get its inode.
        fs::rename(&node, root.path.join("old")).unwrap();
        assert_eq!(identity(&node), None);
        root.write("dev/video5", "");
        let second = identity(&node).unwrap();
        assert_ne!(second, first);
        assert!(!second.same_node(first));
        fs::set_permissions(&node, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
        let owned = identity(&node).unwrap();
        assert!(owned.same_node(second));
    }
}

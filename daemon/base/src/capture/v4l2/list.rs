//! What video devices there are, for people and programs to choose from.

use std::io;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::controls;
use super::fault::{Step, fault};
use super::negotiate;
use super::offer::{Control, Kind, Offer, RateRange, Size, SizeOffer};
use super::open::unusable;
use super::resolve::Places;
use super::sys::Device;
use crate::capture::Reason;

/// A video device.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct DeviceInfo {
    /// Its node, such as `/dev/video0`.
    pub node: PathBuf,
    /// What it calls itself; empty where it cannot be asked.
    pub card: String,
    /// Its driver.
    pub driver: String,
    /// Where it is connected.
    pub bus: String,
    /// Links that stay when numbers change: by what it is, then by where it is plugged in.
    pub links: Vec<PathBuf>,
    /// `usb:VID:PID[:serial]`, as the configuration takes it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub usb: Option<String>,
    /// Why it cannot be used now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unusable: Option<String>,
    /// What kind of fault that is, where it is one: nodes that are no cameras have none.
    #[serde(skip)]
    pub reason: Option<Reason>,
    /// What it offers.
    pub formats: Vec<FormatInfo>,
    /// What can be set.
    pub controls: Vec<ControlInfo>,
}

/// A format of a device.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FormatInfo {
    /// Its name of four letters.
    pub fourcc: String,
    /// The driver's name for it.
    pub description: String,
    /// Whether it can be read here.
    pub usable: bool,
    /// Sizes.
    pub sizes: Vec<SizeInfo>,
}

/// A size of a format, or the largest of a range of them.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SizeInfo {
    /// Pixels in a row.
    pub width: u32,
    /// Rows.
    pub height: u32,
    /// The smallest width and height of a range.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub smallest: Option<[u32; 2]>,
    /// From one width and height of a range to the next.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub step: Option<[u32; 2]>,
    /// Frames a second that can be had.
    pub fps: Vec<f64>,
    /// The slowest and fastest of a range of rates.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fps_range: Option<[f64; 2]>,
}

/// A control of a device.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ControlInfo {
    /// Its name, as the configuration takes it.
    pub name: String,
    /// What it takes: `integer`, `boolean`, `menu`, `integer_menu`, `button`, `bitmask`, `other`.
    pub kind: &'static str,
    /// Smallest value.
    pub minimum: i64,
    /// Largest value.
    pub maximum: i64,
    /// From one value to the next.
    pub step: u64,
    /// The value it has unless it is set.
    pub default: i64,
    /// Its value now, where it can be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<i64>,
    /// Whether it can only be read.
    pub read_only: bool,
    /// Whether another control (such as an automatic) rules it just now.
    pub inactive: bool,
    /// A menu's entries.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub menu: Vec<MenuEntry>,
}

/// An entry of a control's menu.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct MenuEntry {
    /// The number that selects it.
    pub value: i64,
    /// The name that selects it.
    pub name: String,
}

/// Rates of a range of sizes are asked for at its largest; no camera has larger ones than this.
const LARGEST: Size = Size { width: 1 << 15, height: 1 << 15 };

/// Every video device of this machine, by number.
///
/// # Errors
/// The folder of devices cannot be read. A device that cannot be asked is listed with the reason.
pub fn list() -> io::Result<Vec<DeviceInfo>> {
    list_below(Path::new("/"))
}

/// [`list`] for a machine whose files lie below `root`.
///
/// # Errors
/// As [`list`].
pub fn list_below(root: &Path) -> io::Result<Vec<DeviceInfo>> {
    let places = Places::below(root);
    Ok(places.video_nodes()?.iter().map(|node| describe(&places, node)).collect())
}

fn describe(places: &Places, node: &Path) -> DeviceInfo {
    let mut info = DeviceInfo {
        node: node.to_owned(),
        links: places.stable_links(node),
        usb: places.usb_id(node).map(|id| id.to_string()),
        card: places.card(node).unwrap_or_default(),
        ..DeviceInfo::default()
    };
    if let Err((step, error)) = ask(node, &mut info) {
        let fault = fault(step, node, &error);
        (info.unusable, info.reason) = (Some(fault.detail), Some(fault.reason));
    }
    info
}

/// Fills in what the device itself says.
fn ask(node: &Path, info: &mut DeviceInfo) -> Result<(), (Step, io::Error)> {
    let device = Device::open(node).map_err(|error| (Step::Open, error))?;
    let capability = device.capability().map_err(|error| (Step::Query, error))?;
    (info.card, info.driver, info.bus) = (capability.card.clone(), capability.driver.clone(), capability.bus.clone());
    info.unusable = unusable(&capability).map(|why| format!("{} {why}", node.display()));
    if !capability.captures() {
        return Ok(());
    }
    let offers = negotiate::offers(&device, LARGEST, true).map_err(|error| (Step::Query, error))?;
    info.formats = offers.iter().map(FormatInfo::from).collect();
    info.controls = controls::known(&device).into_iter().map(|control| read(&device, control)).collect();
    if info.unusable.is_none() && !info.formats.iter().any(|format| format.usable) {
        info.unusable = Some(format!("{} has no format that can be read here", node.display()));
    }
    // Asking for no buffers changes nothing, and is refused while another program has some.
    device.request_buffers(0).map(drop).map_err(|error| (Step::Buffers, error))
}

fn read(device: &Device, control: Control) -> ControlInfo {
    let readable = !matches!(control.kind, Kind::Button | Kind::Other | Kind::Heading);
    let value = if readable { device.control(control.id).ok() } else { None };
    let bits = |value: i32| if control.kind == Kind::Bitmask { i64::from(value.cast_unsigned()) } else { value.into() };
    ControlInfo {
        name: control.name(),
        kind: control.kind.as_str(),
        minimum: control.minimum,
        maximum: control.maximum,
        step: control.step,
        default: control.default,
        value: value.map(bits),
        read_only: !control.usable,
        inactive: control.inactive,
        menu: control.menu.into_iter().map(|(value, name)| MenuEntry { value, name }).collect(),
    }
}

impl From<&Offer> for FormatInfo {
    fn from(offer: &Offer) -> Self {
        FormatInfo {
            fourcc: offer.fourcc.to_string(),
            description: offer.description.clone(),
            usable: offer.fourcc.encoding().is_some(),
            sizes: offer.sizes.iter().map(SizeInfo::from).collect(),
        }
    }
}

impl From<&SizeOffer> for SizeInfo {
    fn from(SizeOffer { range, rates }: &SizeOffer) -> Self {
        let one = range.min == range.max;
        let (single, ranges): (Vec<RateRange>, Vec<RateRange>) =
            rates.iter().partition(|rate| rate.shortest == rate.longest);
        SizeInfo {
            width: range.max.width,
            height: range.max.height,
            smallest: (!one).then_some([range.min.width, range.min.height]),
            step: (!one).then_some([range.step.width, range.step.height]),
            fps: single.iter().map(|rate| rate.shortest.shown_fps()).collect(),
            fps_range: ranges.first().map(|rate| [rate.longest.shown_fps(), rate.shortest.shown_fps()]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capture::v4l2::offer::{FourCc, Interval, SizeRange};

    #[test]
    fn sizes_and_rates_as_json() {
        let interval = |numerator, denominator| Interval { numerator, denominator };
        let one = SizeOffer {
            range: SizeRange::one(640, 480),
            rates: vec![RateRange::one(interval(1, 30)), RateRange::one(interval(1001, 30000))],
        };
        let size = |width, height| Size { width, height };
        let range = SizeOffer {
            range: SizeRange { min: size(16, 16), max: size(1920, 1080), step: size(8, 4) },
            rates: vec![RateRange { shortest: interval(1, 60), longest: interval(1, 0) }],
        };
        let offer = Offer { fourcc: FourCc(*b"YUYV"), description: "YUYV 4:2:2".to_owned(), sizes: vec![one, range] };
        assert_eq!(
            serde_json::to_value(FormatInfo::from(&offer)).unwrap(),
            serde_json::json!({
                "fourcc": "YUYV", "description": "YUYV 4:2:2", "usable": true,
                "sizes": [
                    {"width": 640, "height": 480, "fps": [30.0, 29.97]},
                    {"width": 1920, "height": 1080, "smallest": [16, 16], "step": [8, 4], "fps": [], "fps_range": [0.0, 60.0]},
                ],
            })
        );
    }

    #[test]
    fn what_is_no_device_is_listed_with_the_reason() {
        let places = Places::default();
        let missing = describe(&places, Path::new("/dev/video-none"));
        assert!(missing.unusable.unwrap().contains("No such file"));
        // A character device that is not a video device.
        let null = describe(&places, Path::new("/dev/null"));
        assert!(
            null.unusable.as_deref().unwrap().starts_with("/dev/null: cannot ask what it offers: "),
            "{:?}",
            null.unusable
        );
        assert_eq!((null.formats, null.controls), (vec![], vec![]));
    }
}

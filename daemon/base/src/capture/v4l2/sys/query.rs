//! What a device is asked and told: capabilities, formats, rates, controls.

use std::io;

use super::{CAPTURE, Device, Request, raw, vidioc, zeroed};
use crate::capture::v4l2::offer::{Control, FourCc, Interval, Kind, RateRange, Size, SizeRange};

/// Most entries of any list that a driver is asked for: one that never ends it does not hold us up.
const MOST_ENTRIES: u32 = 1024;

/// What a device says of itself.
#[derive(Clone, Debug)]
pub struct Capability {
    pub driver: String,
    pub card: String,
    pub bus: String,
    /// What this node can do: `CAPTURE` and so on.
    caps: u32,
}

/// A picture format as the driver has it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Format {
    pub fourcc: FourCc,
    pub size: Size,
    /// Bytes from one row to the next; 0 where the driver does not say.
    pub stride: u32,
    /// Whether a buffer holds one field, so every other row.
    pub single_fields: bool,
}

impl Device {
    pub fn capability(&self) -> io::Result<Capability> {
        let mut found: raw::v4l2_capability = zeroed();
        self.call(const { &Request::new(vidioc::VIDIOC_QUERYCAP) }, &mut found)?;
        let caps =
            if found.capabilities & raw::V4L2_CAP_DEVICE_CAPS != 0 { found.device_caps } else { found.capabilities };
        Ok(Capability { driver: text(&found.driver), card: text(&found.card), bus: text(&found.bus_info), caps })
    }

    /// The formats' names, and the driver's words for them.
    pub fn formats(&self) -> io::Result<Vec<(FourCc, String)>> {
        list(|index| {
            let mut found = raw::v4l2_fmtdesc { index, type_: CAPTURE, ..zeroed() };
            self.call(const { &Request::new(vidioc::VIDIOC_ENUM_FMT) }, &mut found)?;
            Ok((FourCc(found.pixelformat.to_le_bytes()), text(&found.description)))
        })
    }

    pub fn sizes(&self, fourcc: FourCc) -> io::Result<Vec<SizeRange>> {
        list(|index| {
            let pixel_format = u32::from_le_bytes(fourcc.0);
            let mut found = raw::v4l2_frmsizeenum { index, pixel_format, ..zeroed() };
            self.call(const { &Request::new(vidioc::VIDIOC_ENUM_FRAMESIZES) }, &mut found)?;
            // SAFETY: both variants are integers.
            let (one, range) = unsafe { (found.__bindgen_anon_1.discrete, found.__bindgen_anon_1.stepwise) };
            if found.type_ == raw::v4l2_frmsizetypes_V4L2_FRMSIZE_TYPE_DISCRETE {
                return Ok(SizeRange::one(one.width, one.height));
            }
            end_unless_first(index)?;
            Ok(SizeRange {
                min: Size { width: range.min_width, height: range.min_height },
                max: Size { width: range.max_width, height: range.max_height },
                step: Size { width: range.step_width, height: range.step_height },
            })
        })
    }

    pub fn rates(&self, fourcc: FourCc, size: Size) -> io::Result<Vec<RateRange>> {
        let interval =
            |fraction: raw::v4l2_fract| Interval { numerator: fraction.numerator, denominator: fraction.denominator };
        list(|index| {
            let (pixel_format, Size { width, height }) = (u32::from_le_bytes(fourcc.0), size);
            let mut found = raw::v4l2_frmivalenum { index, pixel_format, width, height, ..zeroed() };
            self.call(const { &Request::new(vidioc::VIDIOC_ENUM_FRAMEINTERVALS) }, &mut found)?;
            // SAFETY: both variants are integers.
            let (one, range) = unsafe { (found.__bindgen_anon_1.discrete, found.__bindgen_anon_1.stepwise) };
            if found.type_ == raw::v4l2_frmivaltypes_V4L2_FRMIVAL_TYPE_DISCRETE {
                return Ok(RateRange::one(interval(one)));
            }
            end_unless_first(index)?;
            Ok(RateRange { shortest: interval(range.min), longest: interval(range.max) })
        })
    }

    /// Sets the format; gives what the driver made of it.
    pub fn set_format(&self, fourcc: FourCc, size: Size) -> io::Result<Format> {
        self.format(const { &Request::new(vidioc::VIDIOC_S_FMT) }, fourcc, size)
    }

    /// What the driver would make of a format.
    pub fn try_format(&self, fourcc: FourCc, size: Size) -> io::Result<Format> {
        self.format(const { &Request::new(vidioc::VIDIOC_TRY_FMT) }, fourcc, size)
    }

    fn format(&self, request: &Request<raw::v4l2_format>, fourcc: FourCc, size: Size) -> io::Result<Format> {
        let mut format = raw::v4l2_format { type_: CAPTURE, ..zeroed() };
        format.fmt.pix = raw::v4l2_pix_format {
            width: size.width,
            height: size.height,
            pixelformat: u32::from_le_bytes(fourcc.0),
            field: raw::v4l2_field_V4L2_FIELD_NONE,
            ..zeroed()
        };
        self.call(request, &mut format)?;
        // SAFETY: written above; integers.
        let pix = unsafe { format.fmt.pix };
        let field = pix.field;
        Ok(Format {
            fourcc: FourCc(pix.pixelformat.to_le_bytes()),
            size: Size { width: pix.width, height: pix.height },
            stride: pix.bytesperline,
            single_fields: [raw::v4l2_field_V4L2_FIELD_TOP, raw::v4l2_field_V4L2_FIELD_BOTTOM].contains(&field)
                || field == raw::v4l2_field_V4L2_FIELD_ALTERNATE,
        })
    }

    /// Sets the interval between frames; gives what the driver made of it.
    pub fn set_interval(&self, interval: Interval) -> io::Result<Interval> {
        let mut parm = raw::v4l2_streamparm { type_: CAPTURE, ..zeroed() };
        let timeperframe = raw::v4l2_fract { numerator: interval.numerator, denominator: interval.denominator };
        parm.parm.capture = raw::v4l2_captureparm { timeperframe, ..zeroed() };
        self.call(const { &Request::new(vidioc::VIDIOC_S_PARM) }, &mut parm)?;
        // SAFETY: written above; integers.
        let agreed = unsafe { parm.parm.capture.timeperframe };
        Ok(Interval { numerator: agreed.numerator, denominator: agreed.denominator })
    }

    /// The interval between frames as it is set now.
    pub fn interval(&self) -> io::Result<Interval> {
        let mut parm = raw::v4l2_streamparm { type_: CAPTURE, ..zeroed() };
        self.call(const { &Request::new(vidioc::VIDIOC_G_PARM) }, &mut parm)?;
        // SAFETY: the variant of the type that was asked for; integers.
        let found = unsafe { parm.parm.capture.timeperframe };
        Ok(Interval { numerator: found.numerator, denominator: found.denominator })
    }

    /// The control after the one of this number, in the driver's order. `None` behind the last.
    pub fn control_after(&self, id: u32) -> io::Result<Option<Control>> {
        let mut found = raw::v4l2_query_ext_ctrl { id: id | raw::V4L2_CTRL_FLAG_NEXT_CTRL, ..zeroed() };
        match self.call(const { &Request::new(vidioc::VIDIOC_QUERY_EXT_CTRL) }, &mut found) {
            Err(error) if ends_list(&error) => return Ok(None),
            other => other?,
        }
        Ok(Some(Control {
            id: found.id,
            title: text(&found.name.map(|letter| letter.to_ne_bytes()).concat()),
            kind: Kind::of_number(found.type_),
            minimum: found.minimum,
            maximum: found.maximum,
            step: found.step,
            default: found.default_value,
            usable: found.flags & (raw::V4L2_CTRL_FLAG_DISABLED | raw::V4L2_CTRL_FLAG_READ_ONLY) == 0,
            inactive: found.flags & raw::V4L2_CTRL_FLAG_INACTIVE != 0,
            value: None,
            menu: Vec::new(),
        }))
    }

    /// An entry of a control's menu.
    pub fn menu_entry(&self, control: &Control, index: u32) -> io::Result<String> {
        let mut found = raw::v4l2_querymenu { id: control.id, index, ..zeroed() };
        self.call(const { &Request::new(vidioc::VIDIOC_QUERYMENU) }, &mut found)?;
        // SAFETY: both variants are integers. The struct is packed, so they are copied.
        let (name, value) = unsafe { (found.__bindgen_anon_1.name, found.__bindgen_anon_1.value) };
        Ok(if control.kind == Kind::IntegerMenu { value.to_string() } else { text(&name) })
    }

    pub fn control(&self, id: u32) -> io::Result<i32> {
        let mut control = raw::v4l2_control { id, value: 0 };
        self.call(const { &Request::new(vidioc::VIDIOC_G_CTRL) }, &mut control)?;
        Ok(control.value)
    }

    /// Sets a control; gives what the driver made of the value.
    pub fn set_control(&self, id: u32, value: i32) -> io::Result<i32> {
        let mut control = raw::v4l2_control { id, value };
        self.call(const { &Request::new(vidioc::VIDIOC_S_CTRL) }, &mut control)?;
        Ok(control.value)
    }
}

impl Capability {
    pub fn captures(&self) -> bool {
        self.caps & raw::V4L2_CAP_VIDEO_CAPTURE != 0
    }

    pub fn captures_in_planes(&self) -> bool {
        self.caps & (raw::V4L2_CAP_VIDEO_CAPTURE_MPLANE | raw::V4L2_CAP_VIDEO_M2M_MPLANE) != 0
    }

    pub fn is_metadata(&self) -> bool {
        self.caps & raw::V4L2_CAP_META_CAPTURE != 0
    }

    pub fn streams(&self) -> bool {
        self.caps & raw::V4L2_CAP_STREAMING != 0
    }

    #[cfg(test)]
    pub fn made_up(card: &str, driver: &str) -> Self {
        Capability { driver: driver.to_owned(), card: card.to_owned(), bus: String::new(), caps: 0 }
    }

    #[cfg(test)]
    pub fn with_caps(caps: u32) -> Self {
        Capability { caps, ..Self::made_up("", "") }
    }
}

/// Entries from 0 on, until the driver says that there are no more.
fn list<T>(mut entry: impl FnMut(u32) -> io::Result<T>) -> io::Result<Vec<T>> {
    let mut found = Vec::new();
    for index in 0..MOST_ENTRIES {
        match entry(index) {
            Ok(entry) => found.push(entry),
            Err(error) if ends_list(&error) => break,
            Err(error) => return Err(error),
        }
    }
    Ok(found)
}

/// The end of a list, or no list at all.
fn ends_list(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EINVAL | libc::ENOTTY | libc::ENODATA))
}

/// A range is the one entry of its list, whatever the driver gives for further ones.
fn end_unless_first(index: u32) -> io::Result<()> {
    if index == 0 { Ok(()) } else { Err(io::Error::from_raw_os_error(libc::EINVAL)) }
}

/// A C string in a field, as far as it is readable.
fn text(field: &[u8]) -> String {
    let end = field.iter().position(|byte| *byte == 0).unwrap_or(field.len());
    String::from_utf8_lossy(field.get(..end).unwrap_or_default()).trim().to_owned()
}

//! Devices as people read them: a block each.

use std::fmt::Write;

use base::capture::v4l2::{ControlInfo, DeviceInfo, FormatInfo, SizeInfo};

/// All devices, a block each.
pub fn table(devices: &[DeviceInfo]) -> String {
    devices.iter().map(block).collect::<Vec<_>>().join("\n")
}

fn block(device: &DeviceInfo) -> String {
    let mut text = device.node.display().to_string();
    if !device.card.is_empty() {
        _ = write!(text, "  {} ({}, {})", device.card, device.driver, device.bus);
    }
    text.push('\n');
    let mut line = |key: &str, value: &str| _ = writeln!(text, "  {key:<10}{value}");
    if let Some(why) = &device.unusable {
        line("unusable", why);
    }
    for link in &device.links {
        line("link", &link.display().to_string());
    }
    if let Some(usb) = &device.usb {
        line("usb", usb);
    }
    let (read, unread): (Vec<_>, Vec<_>) = device.formats.iter().partition(|format| format.usable);
    for FormatInfo { fourcc, description, sizes, .. } in read {
        line("format", &format!("{fourcc:<6}{description}"));
        sizes.iter().for_each(|size| line("", &sizes_and_rates(size)));
    }
    if !unread.is_empty() {
        let names: Vec<&str> = unread.iter().map(|format| format.fourcc.as_str()).collect();
        line("", &format!("formats that cannot be read here: {}", names.join(", ")));
    }
    for control in &device.controls {
        line("control", &setting(control));
    }
    text
}

fn sizes_and_rates(size: &SizeInfo) -> String {
    let SizeInfo { width, height, .. } = size;
    let mut text = match (size.smallest, size.step) {
        (Some([least_width, least_height]), Some([wide, high])) => {
            format!("{least_width}x{least_height} to {width}x{height} in steps of {wide}x{high}")
        }
        _ => format!("{width}x{height}"),
    };
    let rates: Vec<String> = size.fps.iter().map(f64::to_string).collect();
    if !rates.is_empty() {
        _ = write!(text, " at {} frames/s", rates.join(", "));
    }
    if let Some([slowest, fastest]) = size.fps_range {
        _ = write!(text, " at {slowest} to {fastest} frames/s");
    }
    text
}

fn setting(control: &ControlInfo) -> String {
    let mut text = control.name.clone();
    if let Some(value) = control.value {
        _ = write!(text, " = {value}");
    }
    if control.menu.is_empty() {
        let ControlInfo { kind, minimum, maximum, step, default, .. } = control;
        _ = match *kind {
            "integer" => write!(text, " ({minimum} to {maximum}, step {step}, default {default})"),
            "boolean" => write!(text, " (boolean, default {default})"),
            kind => write!(text, " ({kind})"),
        };
    } else {
        let entries: Vec<String> = control.menu.iter().map(|entry| format!("{} {}", entry.value, entry.name)).collect();
        _ = write!(text, " ({}; default {})", entries.join(", "), control.default);
    }
    for (holds, word) in [(control.read_only, "read only"), (control.inactive, "inactive")] {
        if holds {
            _ = write!(text, ", {word}");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use base::capture::v4l2::MenuEntry;

    fn control(name: &str, kind: &'static str) -> ControlInfo {
        ControlInfo {
            name: name.to_owned(),
            kind,
            minimum: 0,
            maximum: 255,
            step: 1,
            default: 128,
            value: Some(100),
            read_only: false,
            inactive: false,
            menu: vec![],
        }
    }

    #[test]
    fn a_block_a_device() {
        let size = |width, height| SizeInfo {
            width,
            height,
            smallest: None,
            step: None,
            fps: vec![30.0, 29.97],
            fps_range: None,
        };
        let range = SizeInfo {
            smallest: Some([16, 16]),
            step: Some([8, 4]),
            fps: vec![],
            fps_range: Some([1.0, 60.0]),
            ..size(1920, 1080)
        };
        let format = |fourcc: &str, usable, sizes| FormatInfo {
            fourcc: fourcc.to_owned(),
            description: format!("the {fourcc} format"),
            usable,
            sizes,
        };
        let entry = |value, name: &str| MenuEntry { value, name: name.to_owned() };
        let camera = DeviceInfo {
            node: "/dev/video0".into(),
            card: "HD Webcam".to_owned(),
            driver: "uvcvideo".to_owned(),
            bus: "usb-1".to_owned(),
            links: vec!["/dev/v4l/by-id/usb-HD".into(), "/dev/v4l/by-path/pci-0".into()],
            usb: Some("usb:046d:0825:A1".to_owned()),
            unusable: None,
            reason: None,
            formats: vec![
                format("YUYV", true, vec![size(640, 480), range]),
                format("H264", false, vec![SizeInfo { fps: vec![], ..size(1280, 720) }]),
                format("Y16", false, vec![]),
            ],
            controls: vec![
                control("brightness", "integer"),
                ControlInfo { inactive: true, ..control("white_balance_automatic", "boolean") },
                ControlInfo { value: None, ..control("reset", "button") },
                ControlInfo {
                    menu: vec![entry(1, "Manual Mode"), entry(3, "Aperture Priority Mode")],
                    read_only: true,
                    ..control("auto_exposure", "menu")
                },
            ],
        };
        let other = DeviceInfo {
            node: "/dev/video1".into(),
            unusable: Some("/dev/video1: cannot open it".to_owned()),
            ..DeviceInfo::default()
        };
        assert_eq!(
            table(&[camera, other]),
            "/dev/video0  HD Webcam (uvcvideo, usb-1)\n\
            \x20 link      /dev/v4l/by-id/usb-HD\n\
            \x20 link      /dev/v4l/by-path/pci-0\n\
            \x20 usb       usb:046d:0825:A1\n\
            \x20 format    YUYV  the YUYV format\n\
            \x20           640x480 at 30, 29.97 frames/s\n\
            \x20           16x16 to 1920x1080 in steps of 8x4 at 1 to 60 frames/s\n\
            \x20           formats that cannot be read here: H264, Y16\n\
            \x20 control   brightness = 100 (0 to 255, step 1, default 128)\n\
            \x20 control   white_balance_automatic = 100 (boolean, default 128), inactive\n\
            \x20 control   reset (button)\n\
            \x20 control   auto_exposure = 100 (1 Manual Mode, 3 Aperture Priority Mode; default 128), read only\n\
            \n\
            /dev/video1\n\
            \x20 unusable  /dev/video1: cannot open it\n"
        );
    }
}

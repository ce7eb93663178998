use super::*;
use crate::capture::v4l2::offer::RateRange;

/// A format by its name, with sizes and their rates.
fn offer(fourcc: &[u8; 4], sizes: &[(u32, u32, &[u32])]) -> Offer {
    let rates = |rates: &[u32]| {
        rates.iter().map(|fps| RateRange::one(Interval { numerator: 1, denominator: *fps })).collect::<Vec<_>>()
    };
    let sizes =
        sizes.iter().map(|(w, h, fps)| SizeOffer { range: SizeRange::one(*w, *h), rates: rates(fps) }).collect();
    Offer { fourcc: FourCc(*fourcc), description: String::new(), sizes }
}

fn wanted(width: u32, height: u32, fps: f64, format: &[u8; 4]) -> Wanted {
    let format = if format == b"auto" { CameraFormat::Auto } else { CameraFormat::Fourcc(*format) };
    Wanted { size: Size { width, height }, fps, format }
}

/// A USB 2 camera: raw pictures small or slow, JPEGs at every size.
fn webcam() -> Vec<Offer> {
    vec![
        offer(b"YUYV", &[(640, 480, &[30, 15]), (1280, 720, &[10, 5]), (1920, 1080, &[5])]),
        offer(b"H264", &[(1920, 1080, &[30])]),
        offer(b"MJPG", &[(640, 480, &[60, 30]), (1280, 720, &[60, 30]), (1920, 1080, &[30, 24])]),
    ]
}

/// Something that has every format at one size.
fn everything() -> Vec<Offer> {
    [b"GREY", b"MJPG", b"UYVY", b"YUYV", b"YU12", b"NV12", b"BGR3", b"RGB3", b"XR24"]
        .map(|fourcc| offer(fourcc, &[(640, 480, &[30])]))
        .into()
}

fn chosen(offers: &[Offer], wanted: &Wanted) -> String {
    match choose(offers, wanted) {
        Ok(choice) => {
            let fps = choice.interval.map_or("?".to_owned(), |interval| format!("{:.2}", interval.fps()));
            format!("{} {} {fps}", choice.fourcc, choice.size)
        }
        Err(fault) => {
            assert_eq!(fault.reason, Reason::BadFormat);
            fault.detail
        }
    }
}

#[test]
fn the_cheapest_format_that_reaches_size_and_rate() {
    let stepwise = |fourcc: &[u8; 4], fps: u32| {
        let size = |side| Size { width: side, height: side };
        let range = SizeRange { min: size(32), max: size(1024), step: size(16) };
        let shortest = Interval { numerator: 1, denominator: fps };
        let rates = vec![RateRange { shortest, longest: Interval { numerator: 1, denominator: 1 } }];
        Offer { fourcc: FourCc(*fourcc), description: String::new(), sizes: vec![SizeOffer { range, rates }] }
    };
    let without = |left_out: &[u8]| everything().into_iter().filter(|o| o.fourcc.0 != left_out).collect::<Vec<_>>();
    for (offers, width, height, fps, format, expected) in [
        // Raw while it is fast enough, JPEG beyond.
        (webcam(), 640, 480, 30.0, b"auto", "YUYV 640x480 30.00"),
        (webcam(), 640, 480, 60.0, b"auto", "MJPG 640x480 60.00"),
        (webcam(), 1280, 720, 10.0, b"auto", "YUYV 1280x720 10.00"),
        (webcam(), 1280, 720, 15.0, b"auto", "MJPG 1280x720 30.00"),
        (webcam(), 1920, 1080, 20.0, b"auto", "MJPG 1920x1080 24.00"),
        // The rate that is just enough.
        (webcam(), 640, 480, 7.5, b"auto", "YUYV 640x480 15.00"),
        // Nothing reaches both: the size at the highest rate.
        (webcam(), 1920, 1080, 60.0, b"auto", "MJPG 1920x1080 30.00"),
        // No such size: the nearest.
        (webcam(), 800, 600, 30.0, b"auto", "YUYV 640x480 30.00"),
        (webcam(), 4000, 3000, 5.0, b"auto", "YUYV 1920x1080 5.00"),
        (webcam(), 4000, 3000, 30.0, b"auto", "MJPG 1920x1080 30.00"),
        // A named format, however slow.
        (webcam(), 1920, 1080, 30.0, b"YUYV", "YUYV 1920x1080 5.00"),
        (webcam(), 640, 480, 30.0, b"JPEG", "MJPG 640x480 30.00"),
        // By cost.
        (everything(), 640, 480, 30.0, b"auto", "BGR3 640x480 30.00"),
        (without(b"BGR3"), 640, 480, 30.0, b"auto", "RGB3 640x480 30.00"),
        (everything()[..6].to_vec(), 640, 480, 30.0, b"auto", "YU12 640x480 30.00"),
        (everything()[..4].to_vec(), 640, 480, 30.0, b"auto", "UYVY 640x480 30.00"),
        (everything()[..2].to_vec(), 640, 480, 30.0, b"auto", "MJPG 640x480 30.00"),
        (everything()[..1].to_vec(), 640, 480, 30.0, b"auto", "GREY 640x480 30.00"),
        // No colours only where there is nothing else, though it were larger or faster.
        (
            vec![offer(b"GREY", &[(640, 480, &[60])]), offer(b"YUYV", &[(320, 240, &[5])])],
            640,
            480,
            60.0,
            b"auto",
            "YUYV 320x240 5.00",
        ),
        (everything(), 640, 480, 30.0, b"GREY", "GREY 640x480 30.00"),
        // Ranges.
        (vec![stepwise(b"YUYV", 60), stepwise(b"MJPG", 90)], 650, 490, 29.97, b"auto", "YUYV 656x496 29.97"),
        (vec![stepwise(b"YUYV", 60), stepwise(b"MJPG", 90)], 640, 480, 90.0, b"auto", "MJPG 640x480 90.00"),
        (vec![stepwise(b"NV12", 60)], 4000, 1, 90.0, b"auto", "NV12 1024x32 60.00"),
        // 29.97 is 30, but 30 is more so.
        (vec![ntsc(), offer(b"MJPG", &[(640, 480, &[30])])], 640, 480, 30.0, b"auto", "YUYV 640x480 29.97"),
        (vec![both_rates()], 640, 480, 30.0, b"auto", "YUYV 640x480 30.00"),
        // No rates are listed: taken as fast enough.
        (
            vec![offer(b"YUYV", &[(640, 480, &[])]), offer(b"MJPG", &[(640, 480, &[30])])],
            640,
            480,
            30.0,
            b"auto",
            "YUYV 640x480 ?",
        ),
    ] {
        let wanted = wanted(width, height, fps, format);
        assert_eq!(chosen(&offers, &wanted), expected, "{wanted:?} of {offers:?}");
    }
}

fn ntsc() -> Offer {
    let mut offer = offer(b"YUYV", &[(640, 480, &[15])]);
    offer.sizes[0].rates.push(RateRange::one(Interval { numerator: 1001, denominator: 30000 }));
    offer
}

fn both_rates() -> Offer {
    let mut offer = ntsc();
    offer.sizes[0].rates.push(RateRange::one(Interval { numerator: 1, denominator: 30 }));
    offer
}

#[test]
fn what_cannot_be_had_is_explained() {
    let unreadable = [offer(b"H264", &[(640, 480, &[30])]), offer(b"Y16 ", &[(640, 480, &[30])])];
    let read = "MJPG, JPEG, YUYV, UYVY, NV12, YU12, GREY, RGB3, BGR3";
    for (offers, format, expected) in [
        (&webcam()[..], b"NV12", "it has no format NV12; it offers YUYV, H264, MJPG".to_owned()),
        (&webcam(), b"H264", format!("format H264 cannot be read here, as {read} can; it offers YUYV, H264, MJPG")),
        (&unreadable, b"auto", format!("it offers H264, Y16, and none of them can be read here, as {read} can")),
        (&[], b"auto", format!("it offers no format at all, and none of them can be read here, as {read} can")),
        (&[offer(b"YUYV", &[])], b"YUYV", "it has no format YUYV; it offers YUYV".to_owned()),
    ] {
        assert_eq!(chosen(offers, &wanted(640, 480, 30.0, format)), expected);
    }
}

#[test]
fn what_the_driver_agreed_to() {
    let capability = Capability::made_up("Cam", "uvcvideo");
    let set = |fourcc: &[u8; 4], encoding, (width, height), stride| {
        let size = Size { width, height };
        let choice = Choice { fourcc: FourCc(*fourcc), encoding, size, interval: None };
        let format = Format { fourcc: FourCc(*fourcc), size, stride, single_fields: false };
        agreed("/dev/video0".into(), &capability, &choice, &format, 30.0)
    };
    let raw = Encoding::Raw;
    for (fourcc, encoding, size, stride, agreed_stride) in [
        (b"YUYV", raw(PixelLayout::Yuyv), (640, 480), 1280, 1280),
        (b"YUYV", raw(PixelLayout::Yuyv), (640, 480), 1344, 1344),
        // Drivers that do not say, or say too little.
        (b"YUYV", raw(PixelLayout::Yuyv), (640, 480), 0, 1280),
        (b"RGB3", raw(PixelLayout::Rgb3), (641, 481), 641, 1923),
        (b"NV12", raw(PixelLayout::Nv12), (640, 480), 640, 640),
        (b"GREY", raw(PixelLayout::Grey), (641, 481), 0, 641),
        (b"MJPG", Encoding::Jpeg, (641, 481), 1282, 0),
    ] {
        let agreed = set(fourcc, encoding, size, stride).unwrap();
        assert_eq!((agreed.stride, agreed.width, agreed.height), (agreed_stride, size.0, size.1));
        assert_eq!((agreed.card.as_str(), agreed.driver.as_str(), agreed.fps), ("Cam", "uvcvideo", 30.0));
    }
    for (fourcc, encoding, size, words) in [
        (b"MJPG", raw(PixelLayout::Yuyv), (640, 480), "asked for MJPG, the driver set MJPG"),
        (b"YUYV", raw(PixelLayout::Yuyv), (0, 480), "a size of 0x480"),
        (b"YUYV", raw(PixelLayout::Yuyv), (641, 480), "odd"),
        (b"YU12", raw(PixelLayout::Yu12), (640, 481), "odd"),
    ] {
        let fault = set(fourcc, encoding, size, 0).unwrap_err();
        assert_eq!(fault.reason, Reason::BadFormat);
        assert!(fault.detail.contains(words), "{}", fault.detail);
    }
}

#[test]
fn differences_are_told() {
    let capability = Capability::made_up("", "");
    for (size, fps, expected) in [
        ((640, 480), 30.0, None),
        ((640, 480), 29.97, None),
        ((640, 480), 0.0, None),
        ((640, 480), 15.0, Some("the camera agreed to 15 frames/s, not 30")),
        ((640, 360), 30.0, Some("the camera agreed to 640x360, not 640x480")),
        ((320, 240), 7.5, Some("the camera agreed to 320x240, not 640x480, and 7.5 frames/s, not 30")),
    ] {
        let size = Size { width: size.0, height: size.1 };
        let choice = Choice { fourcc: FourCc(*b"MJPG"), encoding: Encoding::Jpeg, size, interval: None };
        let format = Format { fourcc: choice.fourcc, size, stride: 0, single_fields: false };
        let agreed = agreed(PathBuf::new(), &capability, &choice, &format, fps).unwrap();
        assert_eq!(difference(&wanted(640, 480, 30.0, b"auto"), &agreed).as_deref(), expected);
    }
}

#[test]
fn bytes_of_whole_pictures() {
    for (layout, stride, height, bytes) in [
        (PixelLayout::Yuyv, 1280, 480, 1280 * 480),
        (PixelLayout::Nv12, 704, 480, 704 * 480 * 3 / 2),
        (PixelLayout::Yu12, 640, 480, 640 * 480 * 3 / 2),
        (PixelLayout::Grey, 640, 480, 640 * 480),
        (PixelLayout::Rgb3, 1923, 481, 1923 * 481),
    ] {
        assert_eq!(picture_bytes(layout, stride, height), bytes);
    }
}

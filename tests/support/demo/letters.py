"""Draws `letters.png`: the printable characters of ASCII in Roboto Bold, of Debian's package fonts-roboto-unhinted.

    apt-get download fonts-roboto-unhinted && dpkg -x fonts-roboto-unhinted_*.deb ROOT
    python3 letters.py ROOT/usr/share/fonts/truetype/roboto/unhinted/RobotoTTF/Roboto-Bold.ttf letters.png

With the Pillow of config/models/text/requirements.txt. What the picture holds is said in letters.rs.
"""

import sys

from PIL import Image, ImageDraw, ImageFont

EM, WIDTH, HEIGHT, COLUMNS, BEARING, BASELINE = 64, 80, 84, 16, 8, 64

font = ImageFont.truetype(sys.argv[1], EM, layout_engine=ImageFont.Layout.BASIC)
characters = [chr(code) for code in range(0x20, 0x7F)]
sheet = Image.new("L", (COLUMNS * WIDTH, -(-len(characters) // COLUMNS) * HEIGHT))
draw = ImageDraw.Draw(sheet)
for at, character in enumerate(characters):
    left, top = at % COLUMNS * WIDTH, at // COLUMNS * HEIGHT
    draw.text((left + BEARING, top + BASELINE), character, 255, font, anchor="ls")
    draw.line((left, top + HEIGHT - 1, left + round(font.getlength(character)) - 1, top + HEIGHT - 1), 255)
sheet.save(sys.argv[2], optimize=True)

"""The papers of an application: a resume as PDF and the picture of an identity card, both invented."""

import io

from PIL import Image, ImageDraw, ImageFont

from domain import files
from models import FileKind

A4 = "0 0 595 842"
INK, PAPER, BAND = "#1c2b33", "#f4f1e8", "#2f6f5e"


def resume(name: str, trade: str, years: int, city: str) -> files.Checked:
    lines = (
        name,
        f"{trade}, {city}",
        "",
        f"{years} years of experience",
        "Industrial Training Institute, two-year certificate",
        "Since then in private homes, with own tools and transport",
        "",
        "References on request. This is a specimen for a demonstration.",
    )
    return files.check(FileKind.RESUME, io.BytesIO(_pdf(lines)))


def identity_card(name: str, city: str) -> files.Checked:
    card = Image.new("RGB", (860, 540), PAPER)
    draw = ImageDraw.Draw(card)
    draw.rectangle((0, 0, 860, 90), fill=BAND)
    draw.text((30, 22), "SPECIMEN IDENTITY CARD", fill="white", font=ImageFont.load_default(40))
    draw.rectangle((40, 140, 260, 410), outline=INK, width=3)
    draw.ellipse((105, 180, 195, 270), fill=INK)
    draw.pieslice((75, 290, 225, 520), 180, 360, fill=INK)
    for row, text in enumerate((f"Name: {name}", f"Place: {city}", "Number: 0000 0000 0000")):
        draw.text((300, 160 + 70 * row), text, fill=INK, font=ImageFont.load_default(32))
    draw.text((300, 450), "Not a real document", fill="#a03020", font=ImageFont.load_default(32))
    png = io.BytesIO()
    card.save(png, "PNG")
    return files.check(FileKind.IDENTITY, io.BytesIO(png.getvalue()))


def _pdf(lines) -> bytes:
    """One page of plain text in a font that every reader has."""
    shown = "".join(f"({_escaped(line)}) Tj T*\n" for line in lines)
    text = f"BT /F1 14 Tf 20 TL 60 770 Td\n{shown}ET".encode("latin-1", "replace")
    objects = (
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        f"<< /Type /Page /Parent 2 0 R /MediaBox [{A4}] /Contents 4 0 R"
        " /Resources << /Font << /F1 5 0 R >> >> >>".encode(),
        b"<< /Length %d >>\nstream\n%s\nendstream" % (len(text), text),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
    )
    pdf, places = b"%PDF-1.4\n", []
    for number, content in enumerate(objects, 1):
        places.append(len(pdf))
        pdf += b"%d 0 obj\n%s\nendobj\n" % (number, content)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    return pdf + b"xref\n0 %d\n0000000000 65535 f \n%strailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (
        len(objects) + 1,
        table,
        len(objects) + 1,
        len(pdf),
    )


def _escaped(text):
    return text.replace("\\", r"\\").replace("(", r"\(").replace(")", r"\)")

"""Invoices, credit notes and receipts, for the customer and the professional they are about, and for admins."""

from flask import Blueprint, render_template, request
from flask_login import current_user

import issued
from auth import restrict_to
from domain import documents
from models import Role

bp = Blueprint("account_documents", __name__)
restrict_to(bp, *Role)


@bp.get("/documents", endpoint="documents")
def my_documents():
    page = documents.page(current_user, request.args.get("after"))
    return render_template("account/documents.html", page=page)


@bp.get("/documents/<int:document_id>")
def document(document_id):
    one = documents.get(document_id, current_user)
    return render_template("account/document.html", document=one, title=issued.title(one), blocks=issued.blocks(one))


@bp.get("/documents/<int:document_id>/pdf", endpoint="paper")
def document_on_paper(document_id):
    import papers  # 20 MB that most processes never need

    one = documents.get(document_id, current_user)
    name = f"{one.number.replace('/', '-')}.pdf"
    return papers.download(issued.title(one), one.content["customer"], issued.blocks(one), name, made=one.issued_at)

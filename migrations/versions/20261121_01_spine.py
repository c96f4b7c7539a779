"""The spine: people, places, the catalogue, bookings and what follows from them."""

import sqlalchemy as sa
from alembic import op

revision = "20261121_01"
down_revision = None
branch_labels = None
depends_on = None

Id = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
Moment = sa.DateTime(timezone=True)


def upgrade():
    op.create_table(
        "categories",
        sa.Column("id", Id, nullable=False),
        sa.Column("name", sa.String(length=80), nullable=False),
        sa.Column("slug", sa.String(length=80), nullable=False),
        sa.Column("icon", sa.String(length=40), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("retired_at", Moment, nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_categories")),
        sa.UniqueConstraint("name", name=op.f("uq_categories_name")),
        sa.UniqueConstraint("slug", name=op.f("uq_categories_slug")),
    )
    op.create_table(
        "pin_codes",
        sa.Column("pincode", sa.String(length=10), nullable=False),
        sa.Column("place", sa.String(length=120), nullable=False),
        sa.Column("district", sa.String(length=120), nullable=False),
        sa.Column("state", sa.String(length=120), nullable=False),
        sa.Column("lat", sa.Float(), nullable=False),
        sa.Column("lon", sa.Float(), nullable=False),
        sa.Column("geo", sa.String(length=1), nullable=False),
        sa.PrimaryKeyConstraint("pincode", name=op.f("pk_pin_codes")),
    )
    op.create_table(
        "stored_files",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("owner_id", Id, nullable=False),
        sa.Column(
            "kind",
            sa.Enum(
                "photo", "resume", "identity", name="file_kind", native_enum=False, create_constraint=True, length=20
            ),
            nullable=False,
        ),
        sa.Column("content_type", sa.String(length=60), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("created_at", Moment, nullable=False),
        sa.ForeignKeyConstraint(["owner_id"], ["users.id"], name=op.f("fk_stored_files_owner_id"), use_alter=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_stored_files")),
    )
    op.create_index(op.f("ix_stored_files_owner_id"), "stored_files", ["owner_id"], unique=False)
    op.create_table(
        "tallies",
        sa.Column("name", sa.String(length=40), nullable=False),
        sa.Column("value", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_tallies")),
    )
    op.create_table(
        "cities",
        sa.Column("id", Id, nullable=False),
        sa.Column("name", sa.String(length=120), nullable=False),
        sa.Column("state", sa.String(length=120), nullable=False),
        sa.Column("lat", sa.Float(), nullable=False),
        sa.Column("lon", sa.Float(), nullable=False),
        sa.Column("population", sa.Integer(), nullable=False),
        sa.Column("pincode", sa.String(length=10), nullable=False),
        sa.ForeignKeyConstraint(["pincode"], ["pin_codes.pincode"], name=op.f("fk_cities_pincode")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_cities")),
    )
    op.create_table(
        "services",
        sa.Column("id", Id, nullable=False),
        sa.Column("category_id", Id, nullable=False),
        sa.Column("name", sa.String(length=120), nullable=False),
        sa.Column("slug", sa.String(length=140), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("base_price", sa.BigInteger(), nullable=False),
        sa.Column("duration_minutes", sa.Integer(), nullable=False),
        sa.Column("retired_at", Moment, nullable=True),
        sa.Column("created_at", Moment, nullable=False),
        sa.CheckConstraint("base_price >= 0", name=op.f("ck_services_base_price")),
        sa.CheckConstraint("duration_minutes BETWEEN 15 AND 720", name=op.f("ck_services_duration")),
        sa.ForeignKeyConstraint(["category_id"], ["categories.id"], name=op.f("fk_services_category_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_services")),
        sa.UniqueConstraint("category_id", "name", name=op.f("uq_services_category_id_name")),
        sa.UniqueConstraint("slug", name=op.f("uq_services_slug")),
    )
    op.create_index(op.f("ix_services_category_id"), "services", ["category_id"], unique=False)
    op.create_table(
        "users",
        sa.Column("id", Id, nullable=False),
        sa.Column(
            "role",
            sa.Enum(
                "customer", "professional", "admin", name="role", native_enum=False, create_constraint=True, length=20
            ),
            nullable=False,
        ),
        sa.Column("email", sa.String(length=254), nullable=False),
        sa.Column("name", sa.String(length=120), nullable=False),
        sa.Column("name_key", sa.String(length=120), nullable=False),
        sa.Column("phone", sa.String(length=20), nullable=True),
        sa.Column("locale", sa.String(length=10), nullable=True),
        sa.Column("photo_id", sa.String(length=40), nullable=True),
        sa.Column("demo", sa.Boolean(), nullable=False),
        sa.Column("created_at", Moment, nullable=False),
        sa.Column("anonymised_at", Moment, nullable=True),
        sa.Column("blocked_reason", sa.String(length=500), nullable=True),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("password", sa.String(length=255), nullable=True),
        sa.Column("fs_uniquifier", sa.String(length=64), nullable=False),
        sa.Column("confirmed_at", Moment, nullable=True),
        sa.Column("tf_primary_method", sa.String(length=64), nullable=True),
        sa.Column("tf_totp_secret", sa.String(length=255), nullable=True),
        sa.Column("tf_last_counter", sa.Integer(), nullable=True),
        sa.Column("mf_recovery_codes", sa.JSON(), nullable=True),
        sa.ForeignKeyConstraint(["photo_id"], ["stored_files.id"], name=op.f("fk_users_photo_id"), ondelete="SET NULL"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_users")),
        sa.UniqueConstraint("email", name=op.f("uq_users_email")),
        sa.UniqueConstraint("fs_uniquifier", name=op.f("uq_users_fs_uniquifier")),
    )
    begins = "text_pattern_ops"
    op.create_index("ix_users_name_key", "users", ["name_key"], postgresql_ops={"name_key": begins})
    op.create_index("ix_users_phone", "users", ["phone"], postgresql_ops={"phone": begins})
    op.create_index("ix_users_role_id", "users", ["role", "id"], unique=False)
    op.create_table(
        "later_names",
        sa.Column("user_id", Id, nullable=False),
        sa.Column("key", sa.String(length=120), nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_later_names_user_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("user_id", "key", name=op.f("pk_later_names")),
    )
    op.create_index("ix_later_names_key", "later_names", ["key"], postgresql_ops={"key": begins})
    op.create_table(
        "addresses",
        sa.Column("id", Id, nullable=False),
        sa.Column("customer_id", Id, nullable=False),
        sa.Column("label", sa.String(length=40), nullable=False),
        sa.Column("line", sa.String(length=200), nullable=False),
        sa.Column("pincode", sa.String(length=10), nullable=False),
        sa.Column("created_at", Moment, nullable=False),
        sa.Column("archived_at", Moment, nullable=True),
        sa.ForeignKeyConstraint(["customer_id"], ["users.id"], name=op.f("fk_addresses_customer_id")),
        sa.ForeignKeyConstraint(["pincode"], ["pin_codes.pincode"], name=op.f("fk_addresses_pincode")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_addresses")),
    )
    op.create_index(op.f("ix_addresses_customer_id"), "addresses", ["customer_id"], unique=False)
    op.create_index(op.f("ix_addresses_pincode"), "addresses", ["pincode"], unique=False)
    op.create_table(
        "audit_entries",
        sa.Column("id", Id, nullable=False),
        sa.Column("actor_id", Id, nullable=False),
        sa.Column("action", sa.String(length=40), nullable=False),
        sa.Column("subject_type", sa.String(length=20), nullable=False),
        sa.Column("subject_id", sa.BigInteger(), nullable=False),
        sa.Column("detail", sa.JSON(), nullable=False),
        sa.Column("address", sa.String(length=45), nullable=False),
        sa.Column("at", Moment, nullable=False),
        sa.ForeignKeyConstraint(["actor_id"], ["users.id"], name=op.f("fk_audit_entries_actor_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit_entries")),
    )
    op.create_index(op.f("ix_audit_entries_actor_id"), "audit_entries", ["actor_id"], unique=False)
    op.create_index("ix_audit_entries_subject", "audit_entries", ["subject_type", "subject_id", "id"], unique=False)
    op.create_table(
        "city_names",
        sa.Column(
            "key", sa.String(length=160, collation="C").with_variant(sa.String(length=160), "sqlite"), nullable=False
        ),
        sa.Column("city_id", Id, nullable=False),
        sa.ForeignKeyConstraint(["city_id"], ["cities.id"], name=op.f("fk_city_names_city_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("key", "city_id", name=op.f("pk_city_names")),
    )
    op.create_index(op.f("ix_city_names_city_id"), "city_names", ["city_id"], unique=False)
    op.create_table(
        "professionals",
        sa.Column("id", Id, autoincrement=False, nullable=False),
        sa.Column("bio", sa.Text(), nullable=False),
        sa.Column("experience_years", sa.SmallInteger(), nullable=False),
        sa.Column("hourly_rate", sa.BigInteger(), nullable=True),
        sa.Column("base_pincode", sa.String(length=10), nullable=False),
        sa.Column("lat", sa.Float(), nullable=False),
        sa.Column("lon", sa.Float(), nullable=False),
        sa.Column("radius_km", sa.SmallInteger(), nullable=False),
        sa.Column("languages", sa.JSON(), nullable=False),
        sa.Column("resume_id", sa.String(length=40), nullable=True),
        sa.Column("identity_id", sa.String(length=40), nullable=True),
        sa.Column(
            "approval",
            sa.Enum(
                "pending", "approved", "rejected", name="approval", native_enum=False, create_constraint=True, length=20
            ),
            nullable=False,
        ),
        sa.Column("approval_reason", sa.String(length=500), nullable=True),
        sa.Column("applied_at", Moment, nullable=False),
        sa.Column("approved_at", Moment, nullable=True),
        sa.Column("paused", sa.Boolean(), nullable=False),
        sa.Column("rating_sum", sa.Integer(), nullable=False),
        sa.Column("rating_count", sa.Integer(), nullable=False),
        sa.Column("rank", sa.Float(), nullable=False),
        sa.Column("offers_answered", sa.Integer(), nullable=False),
        sa.Column("offers_accepted", sa.Integer(), nullable=False),
        sa.Column("last_job_at", Moment, nullable=True),
        sa.CheckConstraint("experience_years BETWEEN 0 AND 70", name=op.f("ck_professionals_experience")),
        sa.CheckConstraint("radius_km BETWEEN 1 AND 200", name=op.f("ck_professionals_radius")),
        sa.ForeignKeyConstraint(["base_pincode"], ["pin_codes.pincode"], name=op.f("fk_professionals_base_pincode")),
        sa.ForeignKeyConstraint(["id"], ["users.id"], name=op.f("fk_professionals_id")),
        sa.ForeignKeyConstraint(
            ["identity_id"], ["stored_files.id"], name=op.f("fk_professionals_identity_id"), ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(
            ["resume_id"], ["stored_files.id"], name=op.f("fk_professionals_resume_id"), ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_professionals")),
    )
    op.create_index(
        "ix_professionals_approval_applied_at", "professionals", ["approval", "applied_at", "id"], unique=False
    )
    op.create_index(op.f("ix_professionals_base_pincode"), "professionals", ["base_pincode"], unique=False)
    op.create_index("ix_professionals_rating", "professionals", ["rating_count", "rank"], unique=False)
    op.create_table(
        "bookings",
        sa.Column("id", Id, nullable=False),
        sa.Column("customer_id", Id, nullable=False),
        sa.Column("professional_id", Id, nullable=True),
        sa.Column("service_id", Id, nullable=False),
        sa.Column(
            "status",
            sa.Enum(
                "pending",
                "accepted",
                "en_route",
                "in_progress",
                "completed",
                "closed",
                "rejected",
                "expired",
                "cancelled",
                "no_show",
                "disputed",
                name="status",
                native_enum=False,
                create_constraint=True,
                length=20,
            ),
            nullable=False,
        ),
        sa.Column("starts_at", Moment, nullable=False),
        sa.Column("ends_at", Moment, nullable=False),
        sa.Column("address_line", sa.String(length=200), nullable=False),
        sa.Column("pincode", sa.String(length=10), nullable=False),
        sa.Column("remarks", sa.Text(), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("subtotal", sa.BigInteger(), nullable=False),
        sa.Column("total", sa.BigInteger(), nullable=False),
        sa.Column("paid", sa.BigInteger(), nullable=False),
        sa.Column("respond_by", Moment, nullable=False),
        sa.Column("created_at", Moment, nullable=False),
        sa.Column("accepted_at", Moment, nullable=True),
        sa.Column("completed_at", Moment, nullable=True),
        sa.Column("closed_at", Moment, nullable=True),
        sa.Column("code_salt", sa.String(length=32), nullable=False),
        sa.Column("code_tries", sa.SmallInteger(), nullable=False),
        sa.CheckConstraint(
            "professional_id IS NOT NULL OR status IN ('pending', 'rejected', 'expired', 'cancelled')",
            name=op.f("ck_bookings_professional"),
        ),
        sa.CheckConstraint("paid >= 0 AND paid <= total", name=op.f("ck_bookings_paid")),
        sa.CheckConstraint("starts_at < ends_at", name=op.f("ck_bookings_range")),
        sa.ForeignKeyConstraint(["customer_id"], ["users.id"], name=op.f("fk_bookings_customer_id")),
        sa.ForeignKeyConstraint(["pincode"], ["pin_codes.pincode"], name=op.f("fk_bookings_pincode")),
        sa.ForeignKeyConstraint(["professional_id"], ["professionals.id"], name=op.f("fk_bookings_professional_id")),
        sa.ForeignKeyConstraint(["service_id"], ["services.id"], name=op.f("fk_bookings_service_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_bookings")),
    )
    op.create_index("ix_bookings_created_at", "bookings", ["created_at"], unique=False)
    op.create_index("ix_bookings_customer_id_starts_at", "bookings", ["customer_id", "starts_at", "id"], unique=False)
    op.create_index("ix_bookings_pincode_id", "bookings", ["pincode", "id"], unique=False)
    op.create_index(
        "ix_bookings_professional_id_starts_at", "bookings", ["professional_id", "starts_at", "id"], unique=False
    )
    op.create_index("ix_bookings_service_id", "bookings", ["service_id", "id"], unique=False)
    op.create_index("ix_bookings_starts_at_id", "bookings", ["starts_at", "id"], unique=False)
    op.create_index("ix_bookings_status_id", "bookings", ["status", "id"], unique=False)
    op.create_index(
        "ix_bookings_to_close",
        "bookings",
        ["status", "completed_at"],
        unique=False,
        sqlite_where=sa.text("status = 'completed'"),
        postgresql_where=sa.text("status = 'completed'"),
    )
    op.create_index(
        "ix_bookings_unanswered",
        "bookings",
        ["status", "respond_by"],
        unique=False,
        sqlite_where=sa.text("status = 'pending'"),
        postgresql_where=sa.text("status = 'pending'"),
    )
    op.create_table(
        "offerings",
        sa.Column("professional_id", Id, nullable=False),
        sa.Column("service_id", Id, nullable=False),
        sa.Column("own_price", sa.BigInteger(), nullable=True),
        sa.Column("listed", sa.Boolean(), nullable=False),
        sa.Column("lat", sa.Float(), nullable=False),
        sa.Column("lon", sa.Float(), nullable=False),
        sa.Column("radius_km", sa.SmallInteger(), nullable=False),
        sa.Column("rating", sa.Float(), nullable=True),
        sa.Column("rank", sa.Float(), nullable=False),
        sa.Column("experience_years", sa.SmallInteger(), nullable=False),
        sa.CheckConstraint("own_price >= 0", name=op.f("ck_offerings_own_price")),
        sa.ForeignKeyConstraint(
            ["professional_id"], ["professionals.id"], name=op.f("fk_offerings_professional_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["service_id"], ["services.id"], name=op.f("fk_offerings_service_id")),
        sa.PrimaryKeyConstraint("professional_id", "service_id", name=op.f("pk_offerings")),
    )
    op.create_index("ix_offerings_best", "offerings", ["service_id", "listed", "rank", "professional_id"], unique=False)
    op.create_index(
        "ix_offerings_near",
        "offerings",
        [
            "service_id",
            "listed",
            "lat",
            "lon",
            "rating",
            "radius_km",
            "rank",
            "experience_years",
            "own_price",
            "professional_id",
        ],
        unique=False,
    )
    op.create_table(
        "time_off",
        sa.Column("id", Id, nullable=False),
        sa.Column("professional_id", Id, nullable=False),
        sa.Column("starts_at", Moment, nullable=False),
        sa.Column("ends_at", Moment, nullable=False),
        sa.Column("note", sa.String(length=200), nullable=False),
        sa.CheckConstraint("starts_at < ends_at", name=op.f("ck_time_off_range")),
        sa.ForeignKeyConstraint(
            ["professional_id"], ["professionals.id"], name=op.f("fk_time_off_professional_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_time_off")),
    )
    op.create_index("ix_time_off_professional_id_ends_at", "time_off", ["professional_id", "ends_at"], unique=False)
    op.create_table(
        "working_hours",
        sa.Column("id", Id, nullable=False),
        sa.Column("professional_id", Id, nullable=False),
        sa.Column("weekday", sa.SmallInteger(), nullable=False),
        sa.Column("starts_minute", sa.SmallInteger(), nullable=False),
        sa.Column("ends_minute", sa.SmallInteger(), nullable=False),
        sa.CheckConstraint(
            "0 <= starts_minute AND starts_minute < ends_minute AND ends_minute <= 1440",
            name=op.f("ck_working_hours_range"),
        ),
        sa.CheckConstraint("weekday BETWEEN 0 AND 6", name=op.f("ck_working_hours_weekday")),
        sa.ForeignKeyConstraint(
            ["professional_id"], ["professionals.id"], name=op.f("fk_working_hours_professional_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_working_hours")),
    )
    op.create_index(op.f("ix_working_hours_professional_id"), "working_hours", ["professional_id"], unique=False)
    op.create_table(
        "booking_events",
        sa.Column("id", Id, nullable=False),
        sa.Column("booking_id", Id, nullable=False),
        sa.Column("verb", sa.String(length=30), nullable=False),
        sa.Column("from_status", sa.String(length=20), nullable=True),
        sa.Column("to_status", sa.String(length=20), nullable=False),
        sa.Column("actor_id", Id, nullable=True),
        sa.Column("at", Moment, nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["actor_id"], ["users.id"], name=op.f("fk_booking_events_actor_id")),
        sa.ForeignKeyConstraint(["booking_id"], ["bookings.id"], name=op.f("fk_booking_events_booking_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_booking_events")),
    )
    op.create_index("ix_booking_events_booking_id", "booking_events", ["booking_id", "id"], unique=False)
    op.create_table(
        "booking_lines",
        sa.Column("id", Id, nullable=False),
        sa.Column("booking_id", Id, nullable=False),
        sa.Column(
            "kind",
            sa.Enum(
                "service",
                "platform_fee",
                "tax",
                "late_fee",
                "reversal",
                name="line_kind",
                native_enum=False,
                create_constraint=True,
                length=20,
            ),
            nullable=False,
        ),
        sa.Column("label", sa.String(length=140), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["booking_id"], ["bookings.id"], name=op.f("fk_booking_lines_booking_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_booking_lines")),
    )
    op.create_index(op.f("ix_booking_lines_booking_id"), "booking_lines", ["booking_id"], unique=False)
    op.create_table(
        "booking_offers",
        sa.Column("booking_id", Id, nullable=False),
        sa.Column("professional_id", Id, nullable=False),
        sa.Column("position", sa.SmallInteger(), nullable=False),
        sa.Column(
            "status",
            sa.Enum(
                "open",
                "accepted",
                "declined",
                "lost",
                name="offer_status",
                native_enum=False,
                create_constraint=True,
                length=20,
            ),
            nullable=False,
        ),
        sa.Column("created_at", Moment, nullable=False),
        sa.Column("answered_at", Moment, nullable=True),
        sa.ForeignKeyConstraint(["booking_id"], ["bookings.id"], name=op.f("fk_booking_offers_booking_id")),
        sa.ForeignKeyConstraint(
            ["professional_id"], ["professionals.id"], name=op.f("fk_booking_offers_professional_id")
        ),
        sa.PrimaryKeyConstraint("booking_id", "professional_id", name=op.f("pk_booking_offers")),
    )
    op.create_index("ix_booking_offers_professional_id", "booking_offers", ["professional_id", "status"], unique=False)
    op.create_table(
        "idempotency_keys",
        sa.Column("user_id", Id, nullable=False),
        sa.Column("key", sa.String(length=64), nullable=False),
        sa.Column("fingerprint", sa.String(length=64), nullable=False),
        sa.Column("booking_id", Id, nullable=False),
        sa.Column("created_at", Moment, nullable=False),
        sa.ForeignKeyConstraint(["booking_id"], ["bookings.id"], name=op.f("fk_idempotency_keys_booking_id")),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_idempotency_keys_user_id")),
        sa.PrimaryKeyConstraint("user_id", "key", name=op.f("pk_idempotency_keys")),
    )
    op.create_index(op.f("ix_idempotency_keys_created_at"), "idempotency_keys", ["created_at"], unique=False)
    op.create_table(
        "notifications",
        sa.Column("id", Id, nullable=False),
        sa.Column("user_id", Id, nullable=False),
        sa.Column("kind", sa.String(length=40), nullable=False),
        sa.Column("booking_id", Id, nullable=True),
        sa.Column("data", sa.JSON(), nullable=False),
        sa.Column("created_at", Moment, nullable=False),
        sa.Column("read_at", Moment, nullable=True),
        sa.ForeignKeyConstraint(["booking_id"], ["bookings.id"], name=op.f("fk_notifications_booking_id")),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_notifications_user_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_notifications")),
    )
    op.create_index(
        "ix_notifications_unread",
        "notifications",
        ["user_id"],
        unique=False,
        sqlite_where=sa.text("read_at IS NULL"),
        postgresql_where=sa.text("read_at IS NULL"),
    )
    op.create_index("ix_notifications_user_id", "notifications", ["user_id", "id"], unique=False)
    op.create_table(
        "payments",
        sa.Column("id", Id, nullable=False),
        sa.Column("booking_id", Id, nullable=False),
        sa.Column(
            "method",
            sa.Enum("cash", "upi", name="payment_method", native_enum=False, create_constraint=True, length=20),
            nullable=False,
        ),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("recorded_by_id", Id, nullable=False),
        sa.Column("recorded_at", Moment, nullable=False),
        sa.CheckConstraint("amount > 0", name=op.f("ck_payments_amount")),
        sa.ForeignKeyConstraint(["booking_id"], ["bookings.id"], name=op.f("fk_payments_booking_id")),
        sa.ForeignKeyConstraint(["recorded_by_id"], ["users.id"], name=op.f("fk_payments_recorded_by_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_payments")),
    )
    op.create_index(op.f("ix_payments_booking_id"), "payments", ["booking_id"], unique=False)
    op.create_table(
        "reviews",
        sa.Column("id", Id, nullable=False),
        sa.Column("booking_id", Id, nullable=False),
        sa.Column("customer_id", Id, nullable=False),
        sa.Column("professional_id", Id, nullable=False),
        sa.Column("rating", sa.SmallInteger(), nullable=False),
        sa.Column("comment", sa.Text(), nullable=False),
        sa.Column("reply", sa.Text(), nullable=True),
        sa.Column("replied_at", Moment, nullable=True),
        sa.Column("created_at", Moment, nullable=False),
        sa.Column("edited_at", Moment, nullable=True),
        sa.Column("hidden_at", Moment, nullable=True),
        sa.Column("hidden_reason", sa.String(length=500), nullable=True),
        sa.CheckConstraint("rating BETWEEN 1 AND 5", name=op.f("ck_reviews_rating")),
        sa.ForeignKeyConstraint(["booking_id"], ["bookings.id"], name=op.f("fk_reviews_booking_id")),
        sa.ForeignKeyConstraint(["customer_id"], ["users.id"], name=op.f("fk_reviews_customer_id")),
        sa.ForeignKeyConstraint(["professional_id"], ["professionals.id"], name=op.f("fk_reviews_professional_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_reviews")),
        sa.UniqueConstraint("booking_id", name=op.f("uq_reviews_booking_id")),
    )
    op.create_index(op.f("ix_reviews_customer_id"), "reviews", ["customer_id"], unique=False)
    op.create_index("ix_reviews_professional_id", "reviews", ["professional_id", "id"], unique=False)
    op.create_table(
        "slot_claims",
        sa.Column("professional_id", Id, nullable=False),
        sa.Column("bucket", sa.Integer(), nullable=False),
        sa.Column("booking_id", Id, nullable=False),
        sa.ForeignKeyConstraint(["booking_id"], ["bookings.id"], name=op.f("fk_slot_claims_booking_id")),
        sa.ForeignKeyConstraint(["professional_id"], ["professionals.id"], name=op.f("fk_slot_claims_professional_id")),
        sa.PrimaryKeyConstraint("professional_id", "bucket", name=op.f("pk_slot_claims")),
        sqlite_with_rowid=False,
    )
    op.create_index(op.f("ix_slot_claims_booking_id"), "slot_claims", ["booking_id"], unique=False)

    # users and stored_files refer to each other. SQLite takes the second reference with the table.
    if op.get_bind().dialect.name != "sqlite":
        op.create_foreign_key(op.f("fk_stored_files_owner_id"), "stored_files", "users", ["owner_id"], ["id"])


def downgrade():
    if op.get_bind().dialect.name != "sqlite":
        op.drop_constraint(op.f("fk_stored_files_owner_id"), "stored_files", type_="foreignkey")
    for table in (
        "slot_claims",
        "reviews",
        "payments",
        "notifications",
        "idempotency_keys",
        "booking_offers",
        "booking_lines",
        "booking_events",
        "working_hours",
        "time_off",
        "offerings",
        "bookings",
        "professionals",
        "city_names",
        "audit_entries",
        "addresses",
        "later_names",
        "users",
        "services",
        "cities",
        "tallies",
        "stored_files",
        "pin_codes",
        "categories",
    ):
        op.drop_table(table)

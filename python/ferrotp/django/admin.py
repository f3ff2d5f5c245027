"""The second factors in the admin: seen, counted, and reset; and who must have one. No secret is shown.

Every admin site is gated by the middleware; `MFAAdminSite` by itself, too.
"""

import json
from contextlib import suppress
from typing import Any, get_args

from django.apps import apps
from django.contrib import admin, messages
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.admin.views.main import ChangeList
from django.contrib.auth import get_user_model
from django.contrib.contenttypes.models import ContentType
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.html import format_html
from django.utils.translation import gettext

from ferrotp.mfa.core import moment
from ferrotp.mfa.events import Kind

from . import auth, decorators, obligations
from .conf import conf
from .growth import growth
from .models import AuditEntry, Factor
from .service import current_tenant, due_date, get_mfa, is_required, now, user_id_of, user_of, users_of, with_groups
from .views import non_atomic
from .words import counted_word, word
from .words import lazy_word as _

_MANY = 200
"""Users that are reset, or asked, at once."""


class MFAAdminSiteMixin:
    """An admin site whose permission is worth a second factor, whatever middleware there is."""

    def has_permission(self, request: HttpRequest) -> bool:
        return super().has_permission(request) and auth.has_passed(request)  # type: ignore[misc]

    def login(self, request: HttpRequest, extra_context: Any = None) -> Any:
        if request.method == "GET" and request.user.is_authenticated and auth.REAUTHENTICATE_KEY not in request.session:
            answer = decorators.refusal("require_mfa", request)
            if answer is not None:
                return answer
        return super().login(request, extra_context)  # type: ignore[misc]


class MFAAdminSite(MFAAdminSiteMixin, admin.AdminSite):
    """For ``default_site`` of an `AdminConfig`, or for a site of your own."""


class _SeenAdmin(admin.ModelAdmin):  # type: ignore[type-arg,unused-ignore]
    """Rows that are seen here, and neither made nor changed."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(Factor)
class FactorAdmin(_SeenAdmin):
    """Who has which factor, when it was last used, and in what state it is."""

    list_display = ("user", "name", "kind", "state", "added", "last_used", "drift", "legacy", "reset_link")
    list_filter = ("state", "kind", "legacy")
    search_fields = ("user_id", "name")
    search_help_text = _("The name of a user or of a device, or the id of a user")
    ordering = ("tenant", "user_id", "created_at")
    change_list_template = "admin/ferrotp/factors.html"
    fields = readonly_fields = ("user", "name", "kind", "state", "added", "last_used", "drift", "legacy", "reset_link")
    actions = ("reset_users",)
    list_display_links = ("name",)

    def get_changelist(self, request: HttpRequest, **more: Any) -> Any:
        return _FactorList

    def lookup_allowed(self, lookup: str, value: Any, request: Any = None) -> bool:
        # A filter in the address tells rows apart by any column, one that is not shown too.
        return lookup.partition("__")[0] in self.list_filter

    def get_queryset(self, request: HttpRequest) -> Any:
        # The sealed secret does not even leave the database. Another tenant's ids are those of other users here.
        mine = super().get_queryset(request).using(conf().database).filter(tenant=current_tenant())
        return mine.exclude(state="pending").defer("sealed")

    def get_search_results(self, request: HttpRequest, queryset: Any, search_term: str) -> Any:
        found, distinct = super().get_search_results(request, queryset, search_term)
        if search_term:
            model = get_user_model()
            named = model._base_manager.filter(**{f"{model.USERNAME_FIELD}__icontains": search_term})[:200]
            found = found | queryset.filter(user_id__in=[user_id_of(user) for user in named])
        return found, distinct

    def has_reset_permission(self, request: HttpRequest, obj: Factor | None = None) -> bool:
        """Whether this member of staff may reset users; or this one: only superusers reset superusers."""
        staff: Any = request.user
        if not staff.has_perm("ferrotp.reset_user"):
            return False
        return obj is None or staff.is_superuser or not getattr(_user_of(obj), "is_superuser", False)

    @admin.display(description=_("user"), ordering="user_id")
    def user(self, factor: Factor) -> str:
        return _name_of_user(factor)

    @admin.display(description=_("added"), ordering="created_at")
    def added(self, factor: Factor) -> Any:
        return _local(factor.created_at)

    @admin.display(description=_("last used"), ordering="last_used_at")
    def last_used(self, factor: Factor) -> Any:
        return _local(factor.last_used_at) if factor.last_used_at else word("never")

    @admin.display(description="")
    def reset_link(self, factor: Factor) -> str:
        url = reverse(f"{self.admin_site.name}:ferrotp_reset_user", args=[factor.pk])
        return format_html('<a href="{}">{}</a>', url, word("Reset this user"))

    def get_list_display(self, request: HttpRequest) -> Any:
        shown = super().get_list_display(request)
        return shown if self.has_reset_permission(request) else tuple(name for name in shown if name != "reset_link")

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        shown = super().get_fields(request, obj)
        return shown if self.has_reset_permission(request) else tuple(name for name in shown if name != "reset_link")

    def get_urls(self) -> Any:
        view = self.admin_site.admin_view(self.reset_user)
        view = non_atomic(_as_function(view))
        many = non_atomic(_as_function(self.admin_site.admin_view(self.reset_many)))
        return [
            path("<int:pk>/reset/", view, name="ferrotp_reset_user"),
            path("reset/", many, name="ferrotp_reset_users"),
            path("without/", self.admin_site.admin_view(self.without), name="ferrotp_without"),
            path("over-time/", self.admin_site.admin_view(self.over_time), name="ferrotp_over_time"),
            *super().get_urls(),
        ]

    @admin.action(description=_("Reset the users of these factors"), permissions=["reset"])
    def reset_users(self, request: HttpRequest, queryset: Any) -> HttpResponse:
        """Leads to the page that asks."""
        ids = ",".join(str(pk) for pk in queryset.values_list("pk", flat=True)[:_MANY])
        return auth.SeeOther(reverse(f"{self.admin_site.name}:ferrotp_reset_users") + f"?ids={ids}")

    def reset_many(self, request: HttpRequest) -> HttpResponse:
        """Asks, and then removes all that there is of the users of some factors."""
        request.current_app = self.admin_site.name
        given = request.GET.get("ids", "").split(",")
        keys = [int(pk) for pk in given if pk.isascii() and pk.isdigit() and len(pk) < 19]
        factors = list(self.get_queryset(request).filter(pk__in=keys[:_MANY]))
        _find_users(factors)
        may = (self.has_view_permission, self.has_reset_permission)
        if not factors or not all(permission(request, factor) for permission in may for factor in factors):
            raise PermissionDenied
        answer = _refusal(request)
        if answer is not None:
            return answer
        chosen = {factor.user_id: factor for factor in factors}
        if request.method == "POST":
            for user_id, factor in chosen.items():
                get_mfa().reset(user_id=user_id, by=request.user.get_username())
                self._note(request, factor, self.user(factor))
            message = counted_word("%(count)d user was reset.", "%(count)d users were reset.", len(chosen))
            messages.success(request, message % {"count": len(chosen)})
            return auth.SeeOther(reverse(f"{self.admin_site.name}:ferrotp_factor_changelist"))
        context = {
            **self.admin_site.each_context(request),
            "title": word("Reset the second factors of these users"),
            "opts": self.opts,
            "factors": [self.user(factor) for factor in chosen.values()],
        }
        return TemplateResponse(request, "admin/ferrotp/reset_user.html", context)

    def without(self, request: HttpRequest) -> HttpResponse:
        """The active users who have no second factor, and whether they must; and asks them for one."""
        request.current_app = self.admin_site.name
        if not self.has_view_permission(request):
            raise PermissionDenied
        if request.method == "POST" and (answer := self._ask_users(request)) is not None:
            return answer
        bound = self._bound_ids(request)
        model: Any = get_user_model()
        users = model._base_manager.filter(is_active=True).order_by(model.USERNAME_FIELD)
        only_required = bool(request.GET.get("required"))
        found, total = [], 0
        for user in with_groups(users).iterator(chunk_size=1000):
            total += 1
            if user_id_of(user) not in bound:
                required = is_required(user)
                if required or not only_required:
                    due = due_date(user)
                    row = {"pk": user.pk, "name": user.get_username(), "required": required}
                    found.append({**row, "due": None if due is None else due.date()})
        page = Paginator(found, self.list_per_page).get_page(request.GET.get("p"))
        context = {
            **self.admin_site.each_context(request),
            "title": word("Users without a second factor"),
            "opts": self.opts,
            "page": page,
            "total": total,
            "bound": len(bound),
            "only_required": only_required,
            "actions": self._actions_on_users(request),
        }
        return TemplateResponse(request, "admin/ferrotp/without.html", context)

    def _bound_ids(self, request: HttpRequest) -> set[str]:
        return set(self.get_queryset(request).order_by().values_list("user_id", flat=True))

    def _actions_on_users(self, request: HttpRequest) -> dict[str, str]:
        """What this member of staff may do with users who have no second factor: its name, and its words."""
        staff: Any = request.user
        model: Any = get_user_model()
        if not self.has_reset_permission(request):
            return {}
        actions = {"remind": word("Send a reminder")}
        if staff.has_perm(f"{model._meta.app_label}.change_{model._meta.model_name}"):
            actions["require"] = word("Require a second factor")
        return actions

    def _ask_users(self, request: HttpRequest) -> HttpResponse | None:
        """Asks whether to, and then does it. None: there is nothing to be done, and a message says why."""
        actions = self._actions_on_users(request)
        pressed = next((name for name in actions if name in request.POST), "")  # or the page that asked
        action = request.POST.get("action", pressed)
        if action not in actions:
            raise PermissionDenied
        users = self._chosen_users(request)
        groups = obligations.groups() if action == "require" else []
        if not users:
            messages.warning(
                request,
                gettext("Items must be selected in order to perform actions on them. No items have been changed."),
            )
            return None
        if action == "require" and not groups:
            messages.error(request, word('FERROTP["REQUIRED"] names no group that is without permissions.'))
            return None
        if action == "remind" and not obligations.can_remind():
            messages.error(request, word('FERROTP["NOTIFY"] is not set: nobody would be told.'))
            return None
        answer = _refusal(request)
        if answer is not None:
            return answer
        if not request.POST.get("confirmed"):
            context = {
                **self.admin_site.each_context(request),
                "title": actions[action],
                "opts": self.opts,
                "action": action,
                "users": users,
                "groups": groups,
            }
            return TemplateResponse(request, "admin/ferrotp/ask_users.html", context)
        if action == "require":
            group = next((group for group in groups if str(group.pk) == request.POST.get("group")), None)
            if group is None:
                raise PermissionDenied
            obligations.require(users, group)
            message = counted_word(
                "%(count)d user must have a second factor.", "%(count)d users must have a second factor.", len(users)
            )
            messages.success(request, message % {"count": len(users)})
        else:
            asked, unknown = obligations.remind(users, request.user.get_username())
            message = counted_word("%(count)d user was reminded.", "%(count)d users were reminded.", asked)
            messages.success(request, message % {"count": asked})
            if unknown:
                message = counted_word("%(count)d user has no address.", "%(count)d users have no address.", unknown)
                messages.warning(request, message % {"count": unknown})
        for user in users:
            _note_on_user(request, user, f"second factor: {action}")
        return auth.SeeOther(reverse(f"{self.admin_site.name}:ferrotp_without"))

    def _chosen_users(self, request: HttpRequest) -> list[Any]:
        """Those of the form who are active and have no second factor."""
        model: Any = get_user_model()
        keys = []
        for text in request.POST.getlist("user")[:_MANY]:
            with suppress(Exception):  # whatever a field of the site raises for what is no key
                keys.append(model._meta.pk.to_python(text))
        users = model._base_manager.filter(pk__in=keys, is_active=True).order_by(model.USERNAME_FIELD)
        bound = self._bound_ids(request)
        return [user for user in with_groups(users) if user_id_of(user) not in bound]

    def over_time(self, request: HttpRequest) -> HttpResponse:
        """How many users had a second factor, and of which kind: a picture, and a table."""
        request.current_app = self.admin_site.name
        if not self.has_view_permission(request):
            raise PermissionDenied
        context = {
            **self.admin_site.each_context(request),
            "title": word("Second factors over time"),
            "opts": self.opts,
            "growth": growth(self.get_queryset(request), "day" if request.GET.get("by") == "day" else "week", now()),
        }
        return TemplateResponse(request, "admin/ferrotp/over_time.html", context)

    def reset_user(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Asks, and then removes all that there is of a user."""
        request.current_app = self.admin_site.name
        factor = self.get_object(request, str(pk))
        may = (self.has_view_permission, self.has_reset_permission)
        if factor is None or not all(permission(request, factor) for permission in may):
            raise PermissionDenied
        answer = _refusal(request)
        if answer is not None:
            return answer
        name = self.user(factor)
        if request.method == "POST":
            removed = get_mfa().reset(user_id=factor.user_id, by=request.user.get_username())
            self._note(request, factor, name)
            message = counted_word(
                "%(name)s had %(count)d factor, and has none now.",
                "%(name)s had %(count)d factors, and has none now.",
                removed,
            )
            messages.success(request, message % {"name": name, "count": removed})
            return auth.SeeOther(reverse(f"{self.admin_site.name}:ferrotp_factor_changelist"))
        factors = self.get_queryset(request).filter(tenant=factor.tenant, user_id=factor.user_id)
        context = {
            **self.admin_site.each_context(request),
            "title": word("Reset the second factor of %s") % name,
            "opts": self.opts,
            "factors": factors,
        }
        return TemplateResponse(request, "admin/ferrotp/reset_user.html", context)

    @staticmethod
    def _note(request: HttpRequest, factor: Factor, name: str) -> None:
        LogEntry.objects.create(
            user_id=request.user.pk,
            content_type_id=ContentType.objects.get_for_model(Factor).pk,
            object_id=factor.pk,
            object_repr=name[:200],
            action_flag=CHANGE,
            change_message="second factor reset",
        )


def _note_on_user(request: HttpRequest, user: Any, message: str) -> None:
    LogEntry.objects.create(
        user_id=request.user.pk,
        content_type_id=ContentType.objects.get_for_model(get_user_model()).pk,
        object_id=user.pk,
        object_repr=user.get_username()[:200],
        action_flag=CHANGE,
        change_message=message,
    )


class _FactorList(ChangeList):
    """A page of factors, whose users are looked up together."""

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        _find_users(self.result_list)


class _EntryList(ChangeList):
    """A page of events, whose users are looked up together."""

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        _find_users(self.result_list)


def _refusal(request: HttpRequest) -> HttpResponse | None:
    """What to answer a member of staff who has not passed the second factor just now. Where another package has the
    gate, its adapter knows."""
    for config in apps.get_app_configs():
        refuse = getattr(config, "ferrotp_refusal", None)
        if refuse is not None:
            return refuse(request)  # type: ignore[no-any-return]
    return decorators.refusal("require_fresh_mfa", request)


def _local(milliseconds: int) -> str:
    """A time of this place, in words: of a datetime the admin's list makes such, and its page of one row does not."""
    local = timezone.localtime(moment(milliseconds), timezone.get_current_timezone())
    return date_format(local, "DATETIME_FORMAT")


def _find_users(rows: Any) -> None:
    users = users_of(row.user_id for row in rows)
    for row in rows:
        row.account = users.get(row.user_id)


class _KindFilter(admin.SimpleListFilter):
    """By the kind of event, without asking the rows which ones there are."""

    title = _("event")
    parameter_name = "kind"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Any:
        return [(kind, kind) for kind in sorted(get_args(Kind))]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        return queryset.filter(kind=self.value()) if self.value() else queryset


@admin.register(AuditEntry)
class AuditEntryAdmin(_SeenAdmin):
    """What was decided, the newest first. Nothing is changed here."""

    list_display = ("when", "user", "event", "method", "address", "details")
    search_fields = ("user_id",)
    search_help_text = _("The name of a user or of a device, or the id of a user")
    ordering = ("-id",)
    fields = readonly_fields = (
        "when",
        "user",
        "number",
        "event",
        "method",
        "factor_id",
        "address",
        "user_agent",
        "details",
    )
    list_filter = (_KindFilter,)
    list_display_links = ("when",)
    show_full_result_count = False  # to count all rows of a site takes long

    def get_changelist(self, request: HttpRequest, **more: Any) -> Any:
        return _EntryList

    def lookup_allowed(self, lookup: str, value: Any, request: Any = None) -> bool:
        return lookup == _KindFilter.parameter_name

    def get_queryset(self, request: HttpRequest) -> Any:
        mine = super().get_queryset(request).using(conf().database).filter(tenant=current_tenant())
        return mine.defer("earlier", "key_id", "mac")

    def get_search_results(self, request: HttpRequest, queryset: Any, search_term: str) -> Any:
        # The whole id, or the whole name: a part of one would have to look at every row.
        if not search_term:
            return queryset, False
        model = get_user_model()
        named = model._base_manager.filter(**{f"{model.USERNAME_FIELD}__iexact": search_term})[:20]
        return queryset.filter(user_id__in=[search_term, *(user_id_of(user) for user in named)]), False

    def has_module_permission(self, request: HttpRequest) -> bool:
        return conf().audit and super().has_module_permission(request)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return conf().audit and super().has_view_permission(request, obj)

    @admin.display(description=_("when"), ordering="happened_at")
    def when(self, entry: AuditEntry) -> Any:
        return _local(entry.happened_at)

    @admin.display(description=_("user"), ordering="user_id")
    def user(self, entry: AuditEntry) -> str:
        return _name_of_user(entry) if entry.user_id else ""

    @admin.display(description=_("event"), ordering="kind")
    def event(self, entry: AuditEntry) -> str:
        return str(entry.kind)

    @admin.display(description=_("details"))
    def details(self, entry: AuditEntry) -> str:
        try:
            said = json.loads(entry.detail)
        except ValueError:  # somebody has changed it: the command says so
            return "?"
        found = said.items() if isinstance(said, dict) else ()
        return ", ".join(f"{name}: {value}" for name, value in found if value is not None)


def _user_of(row: Any) -> Any:
    return row.account if hasattr(row, "account") else user_of(row.user_id)


def _name_of_user(row: Any) -> str:
    user = _user_of(row)
    return str(user.get_username()) if user is not None else word("(gone) %s") % row.user_id


def _as_function(view: Any) -> Any:
    """A function of its own, to be marked."""

    def reset_user(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        return view(request, *args, **kwargs)

    return reset_user

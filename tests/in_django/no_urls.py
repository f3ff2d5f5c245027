"""No pages of ours."""

urlpatterns: list[object] = []

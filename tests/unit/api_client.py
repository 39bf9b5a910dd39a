"""A program that talks to the API with a token."""

import json

from django.contrib.auth import get_user_model
from django.test import Client

from jobs.models import ApiToken

API = "/api/v1/"


class Program:
    """Requests with a bearer token of a user; every refusal is checked to be a problem."""

    def __init__(self, user, scope="write", client=None):
        self.user = user
        self.token, self.text = ApiToken.make(user, "test", scope)
        self.client = client or Client()

    def request(self, method, path, data="", content_type="application/json", **headers):
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        response = self.client.generic(
            method, API + path, data, content_type, headers={"Authorization": f"Bearer {self.text}", **headers}
        )
        if response.status_code >= 400:
            check_problem(response)
        return response

    def get(self, path, **headers):
        return self.request("GET", path, content_type="", **headers)

    def post(self, path, data=None, **headers):
        return self.request("POST", path, "" if data is None else json.dumps(data), **headers)

    def form(self, path, fields, **headers):
        return self.client.post(API + path, fields, headers={"Authorization": f"Bearer {self.text}", **headers})


def check_problem(response):
    assert response.headers["Content-Type"] == "application/problem+json", response.content[:300]
    body = response.json()
    assert body["status"] == response.status_code
    assert body["title"] and body["detail"]
    return body


def make_user(name, **more):
    return get_user_model().objects.create_user(name, password="a long pass phrase", **more)

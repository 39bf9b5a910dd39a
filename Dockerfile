# One image for every process: docker-compose.yml gives each its command.
FROM python:3.11-slim

ENV PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    HOST=0.0.0.0 \
    VAR_DIR=/var/lib/jobsite

RUN useradd --system --uid 10001 --home-dir /var/lib/jobsite --create-home jobsite
WORKDIR /srv/jobsite

COPY requirements.txt .
RUN pip install --no-cache-dir --disable-pip-version-check -r requirements.txt
COPY manage.py ./
COPY jobsite jobsite
COPY jobs jobs
COPY templates templates
COPY static static

USER jobsite
VOLUME /var/lib/jobsite
EXPOSE 8000
CMD ["python", "manage.py", "web"]

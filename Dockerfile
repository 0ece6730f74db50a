# One image for every interapp process; the command says which: parent, child, simulator, handlers, ...
FROM python:3.13-slim AS build
WORKDIR /source
RUN python -m venv /opt/interapp
COPY pyproject.toml constraints.txt README.md ./
COPY broker broker
COPY lantime lantime
COPY modular_parent modular_parent
COPY tcr_child tcr_child
RUN /opt/interapp/bin/pip install --no-cache-dir --disable-pip-version-check --constraint constraints.txt .

FROM python:3.13-slim
RUN useradd --system --uid 10001 --create-home --home-dir /var/lib/interapp interapp
COPY --from=build /opt/interapp /opt/interapp
COPY deploy /opt/interapp/deploy
ENV PATH=/opt/interapp/bin:$PATH \
    PYTHONUNBUFFERED=1
USER interapp
WORKDIR /var/lib/interapp
ENTRYPOINT ["interapp"]
CMD ["--help"]

// Shows the API's description with Swagger UI, and lets a person try each operation that ends by itself.

/** Swagger UI shows a response once it is complete. A stream never is: the reference has a curl for it. */
function streamsAreOnlyRead() {
  return {
    statePlugins: {
      spec: {
        wrapSelectors: {
          allowTryItOutFor: (original, system) => (state, path, method) => {
            const success = system.specSelectors.specJson().getIn(["paths", path, method, "responses", "200", "content"]);
            return !success?.has("text/event-stream") && original(state, path, method);
          },
        },
      },
    },
  };
}

window.reference = SwaggerUIBundle({
  url: "openapi.json",
  dom_id: "#reference",
  plugins: [streamsAreOnlyRead],
  deepLinking: true,
  displayRequestDuration: true,
  defaultModelsExpandDepth: 0,
  // A key is forgotten when the page is closed or reloaded.
  persistAuthorization: false,
  // Addresses in the page's own URL would replace the description, and the validator is another site's.
  queryConfigEnabled: false,
  validatorUrl: null,
});

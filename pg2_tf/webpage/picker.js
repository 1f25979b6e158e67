function show() {
  const buttons = JSON.parse(props.value).map(({ name, image }, index) => {
    const button = document.createElement("button");
    const picture = document.createElement("img");
    picture.src = image;
    picture.alt = "";
    button.type = "button";
    button.append(picture, name);
    button.addEventListener("click", () => trigger("select", { index, value: name }));
    return button;
  });
  element.querySelector(".picker").replaceChildren(...buttons);
}

watch("value", show);
show();
